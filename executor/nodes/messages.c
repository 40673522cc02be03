/*
 * messages: see messages.h.
 */
#include "executor/nodes/messages.h"
#include "executor/nodes/model_record.h"
#include <assert.h>
#include <string.h>

struct draft {
    struct str role;
    struct value *text; /* NULL: none */
    struct model_files files;
    const struct model_tool_call *call; /* of an assistant: wanted; of a tool: done */
};
struct messages {
    struct node_exec *x;
    struct draft *drafts;
    struct model_message *list;
    size_t count, max;
    bool has_failed;
};

static bool is_sendable(const struct value *file);
static bool hold(struct node_exec *x, const struct value *v);
static bool add_file(struct node_exec *x, struct model_files *files, struct model_file file);
static void messages_fini(void *arg);
static struct value *make_record(struct messages *m);
static struct value *record_call(struct value_account *a, const struct model_tool_call *call);
static struct value *record_files(struct value_account *a, const struct model_files *files);

bool model_files_add(struct node_exec *x, struct model_files *files, const struct value *v, struct str detail)
{
    bool is_list = v != NULL && value_type(v) == VALUE_ARRAY;
    size_t count = v == NULL ? 0 : is_list ? value_count(v) : 1;
    for (size_t i = 0; i < count; i++) {
        const struct value *file = is_list ? value_item(v, i) : v;
        struct model_file sent = {.kind = STR("image"), .detail = detail};
        if (!is_sendable(file))
            continue;
        sent.url = value_get_text(file, "remote_url", STR(""));
        if (!hold(x, file) || !add_file(x, files, sent))
            return false;
    }
    return true;
}

static void let_go(void *v)
{
    value_unref(v);
}

/* Until the attempt ends: the variable may be set anew before the model is asked. */
static bool hold(struct node_exec *x, const struct value *v)
{
    return arena_defer(node_exec_arena(x), let_go, value_ref((struct value *)v));
}

static bool is_sendable(const struct value *file)
{
    struct str url = value_get_text(file, "remote_url", STR(""));
    return value_type(file) == VALUE_FILE && str_eq_c(value_get_text(file, "type", STR("")), "image") &&
           str_eq_c(value_get_text(file, "transfer_method", STR("")), "remote_url") &&
           (str_starts(url, STR("http://")) || str_starts(url, STR("https://")));
}

static bool add_file(struct node_exec *x, struct model_files *files, struct model_file file)
{
    if (files->count == files->cap) {
        size_t cap = files->cap == 0 ? 4 : files->cap * 2;
        struct model_file *list = arena_array(node_exec_arena(x), cap, sizeof *list);
        if (list == NULL)
            return false;
        if (files->count > 0)
            memcpy(list, files->list, files->count * sizeof *list);
        files->list = list;
        files->cap = cap;
    }
    files->list[files->count++] = file;
    return true;
}

struct messages *messages_new(struct node_exec *x, size_t max)
{
    struct arena *arena = node_exec_arena(x);
    struct messages *m = arena_alloc(arena, sizeof *m);
    if (m == NULL)
        return NULL;
    *m = (struct messages){.x = x,
                           .drafts = arena_array(arena, max, sizeof *m->drafts),
                           .list = arena_array(arena, max, sizeof *m->list),
                           .max = max};
    bool is_made = m->drafts != NULL && m->list != NULL && arena_defer(arena, messages_fini, m);
    return is_made ? m : NULL;
}

static void messages_fini(void *arg)
{
    struct messages *m = arg;
    for (size_t i = 0; i < m->count; i++)
        value_unref(m->drafts[i].text);
    m->count = 0;
}

void messages_put(struct messages *m, struct str role, struct value *take_text,
                  const struct model_files *files)
{
    m->has_failed |= take_text == NULL;
    bool has_text = take_text != NULL && value_text(take_text).len > 0;
    bool has_files = files != NULL && files->count > 0;
    if (!has_text) {
        value_unref(take_text);
        take_text = NULL;
    }
    if (!has_text && !has_files)
        return;
    assert(m->count < m->max);
    m->drafts[m->count++] =
        (struct draft){role, take_text, has_files ? *files : (struct model_files){.list = NULL}, NULL};
}

void messages_put_call(struct messages *m, struct value *take_text, const struct model_tool_call *call)
{
    assert(m->count < m->max);
    m->has_failed |= take_text == NULL;
    m->drafts[m->count++] = (struct draft){.role = STR("assistant"), .text = take_text, .call = call};
}

void messages_put_result(struct messages *m, struct value *take_text, const struct model_tool_call *call)
{
    assert(m->count < m->max);
    m->has_failed |= take_text == NULL;
    m->drafts[m->count++] = (struct draft){.role = STR("tool"), .text = take_text, .call = call};
}

void messages_put_vision(struct messages *m, const struct model_files *files)
{
    if (files->count == 0)
        return;
    struct draft *last = m->count > 0 ? &m->drafts[m->count - 1] : NULL;
    if (last == NULL || !str_eq_c(last->role, "user")) {
        assert(m->count < m->max);
        m->drafts[m->count++] = (struct draft){.role = STR("user"), .files = *files};
        return;
    }
    struct model_files all = {.list = NULL};
    for (size_t i = 0; i < files->count; i++)
        m->has_failed |= !add_file(m->x, &all, files->list[i]);
    for (size_t i = 0; i < last->files.count; i++)
        m->has_failed |= !add_file(m->x, &all, last->files.list[i]);
    last->files = all;
}

void messages_put_first(struct messages *m, struct str role, struct str text)
{
    struct value_account *a = node_exec_account(m->x);
    struct draft first = {.role = role};
    size_t at = 0;
    while (at < m->count && !str_eq(m->drafts[at].role, role))
        at++;
    if (at < m->count)
        first = m->drafts[at];
    else
        m->count++;
    assert(m->count <= m->max);
    struct buf whole;
    buf_init(&whole, a->max);
    buf_put(&whole, text);
    if (first.text != NULL) {
        buf_put_c(&whole, "\n\n");
        buf_put(&whole, value_text(first.text));
    }
    value_unref(first.text);
    first.text = value_string_take(a, &whole);
    m->has_failed |= first.text == NULL;
    memmove(m->drafts + 1, m->drafts, at * sizeof *m->drafts);
    m->drafts[0] = first;
}

size_t messages_count(const struct messages *m)
{
    return m->count;
}

bool messages_end(struct messages *m, const struct model_message **ret_list, size_t *ret_count,
                  struct value **ret_record)
{
    if (m->has_failed)
        return false;
    for (size_t i = 0; i < m->count; i++) {
        const struct draft *draft = &m->drafts[i];
        m->list[i] = (struct model_message){.role = draft->role,
                                            .text = draft->text == NULL ? STR("") : value_text(draft->text),
                                            .files = draft->files.list,
                                            .file_count = draft->files.count};
        if (draft->call != NULL && str_eq_c(draft->role, "tool")) {
            m->list[i].call_id = draft->call->id;
        } else if (draft->call != NULL) {
            m->list[i].calls = draft->call;
            m->list[i].call_count = 1;
        }
    }
    *ret_list = m->list;
    *ret_count = m->count;
    *ret_record = make_record(m);
    return *ret_record != NULL;
}

static struct value *make_record(struct messages *m)
{
    struct value_account *a = node_exec_account(m->x);
    struct value_builder records, record;
    value_array_begin(&records, a);
    for (size_t i = 0; i < m->count; i++) {
        const struct draft *draft = &m->drafts[i];
        value_object_begin(&record, a);
        value_object_put(&record, STR("role"), value_string(a, draft->role));
        value_object_put(&record, STR("text"),
                         draft->text == NULL ? value_string(a, STR("")) : value_ref(draft->text));
        value_object_put(&record, STR("files"), record_files(a, &draft->files));
        if (m->list[i].call_count > 0)
            value_object_put(&record, STR("tool_calls"), record_call(a, draft->call));
        value_array_put(&records, value_object_end(&record));
    }
    return value_array_end(&records);
}

static struct value *record_call(struct value_account *a, const struct model_tool_call *call)
{
    struct value_builder list;
    value_array_begin(&list, a);
    value_array_put(&list, model_call_value(a, call));
    return value_array_end(&list);
}

static struct value *record_files(struct value_account *a, const struct model_files *files)
{
    struct value_builder list, file;
    value_array_begin(&list, a);
    for (size_t i = 0; i < files->count; i++) {
        value_object_begin(&file, a);
        value_object_put(&file, STR("type"), value_string(a, files->list[i].kind));
        value_object_put(&file, STR("data"), value_string(a, files->list[i].url));
        value_object_put(&file, STR("detail"), value_string(a, files->list[i].detail));
        value_array_put(&list, value_object_end(&file));
    }
    return value_array_end(&list);
}
