/*
 * azure_openai: the OpenAI API as Azure serves it: a deployment in the path, a version in the query, the key in a header of its
 * own. What is said is the same.
 *   base_url "https://NAME.openai.azure.com", also with "?api-version=…", with "/openai" behind it, or as far as a deployment.
 *   ".../openai/v1" is the newer API: the model in the body, no version asked for.
 */
#include "executor/model/openai.h"
#include "executor/model/request_parts.h"

/* The newest of Azure's versions that is no preview and serves all that a request here says. */
#define VERSION "2024-10-21"

static enum status_code put_headers(struct http_headers *headers, struct str secret, struct status *err)
{
    return secret.len == 0 ? STATUS_OK : http_headers_add(headers, STR("api-key"), secret, err);
}

static void put_query(struct buf *ret, struct str query, bool needs_version)
{
    bool has_version =
        str_starts(query, STR("api-version=")) || str_find(query, STR("&api-version="), 0) != SIZE_MAX;
    if (query.len > 0)
        buf_put_char(ret, '?');
    buf_put(ret, query);
    if (needs_version && !has_version)
        buf_put_c(ret, query.len > 0 ? "&api-version=" VERSION : "?api-version=" VERSION);
}

static void put_url(struct buf *ret, struct str base_url, struct str model,
                    const struct model_request *request)
{
    struct request_base base = request_base_of(base_url);
    bool is_newer = str_ends(base.address, STR("/openai/v1"));
    buf_put(ret, base.address);
    if (!is_newer && str_find(base.address, STR("/openai/deployments/"), 0) == SIZE_MAX) {
        buf_put_c(ret, str_ends(base.address, STR("/openai")) ? "/deployments/" : "/openai/deployments/");
        request_put_path(ret, model);
    }
    buf_put_c(ret, openai_path(request));
    put_query(ret, base.query, !is_newer);
}

static void put_models_url(struct buf *ret, struct str base_url)
{
    struct request_base base = request_base_of(base_url);
    bool is_newer = str_ends(base.address, STR("/openai/v1"));
    size_t at = str_find(base.address, STR("/openai/deployments/"), 0);
    buf_put(ret, str_sub(base.address, 0, at == SIZE_MAX ? base.address.len : at));
    buf_put_c(ret, is_newer || str_ends(base.address, STR("/openai")) ? "/models" : "/openai/models");
    put_query(ret, base.query, !is_newer);
}

static const char *const secrets[] = {"api-key", NULL};
const struct protocol protocol_azure_openai = {.name = "azure_openai",
                                               .secrets = secrets,
                                               .put_headers = put_headers,
                                               .put_url = put_url,
                                               .put_request = openai_put_request,
                                               .reader_size = sizeof(struct openai_reader),
                                               .read = openai_read,
                                               .reader_fini = openai_reader_fini,
                                               .put_models_url = put_models_url};
