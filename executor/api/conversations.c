/*
 * conversations: see the header. Values are kept as JSON text, so that no worker shares a value with another. What is kept does
 * not change: readers count it under the lock and read it without.
 */
#include "executor/api/conversations.h"

#include "executor/value/form.h"
#include "executor/value/parse.h"
#include "shared/base/uuid.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define HASH_FUNCTION     HASH_FNV /* the usual one falls through between cases, which Clang warns of */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>
#include <utlist.h>

struct kept_message { /* one piece of memory with its texts */
    struct kept_message *prev, *next;
    size_t refs, bytes;
    struct str query, answer, files; /* files: JSON of an array; empty: none */
    char texts[];
};
struct kept_variable {
    struct kept_variable *next;
    size_t refs;
    struct buf name, json;
    bool is_secret; /* it holds a secret somewhere */
};
/* What one reader holds. */
struct reading {
    struct kept_message **messages;
    struct kept_variable **variables;
    size_t message_count, variable_count;
};
struct conversation {
    UT_hash_handle hh;
    struct conversation *prev, *next; /* in the order of their last use */
    char id[UUID_TEXT_LEN + 1], app_id[UUID_TEXT_LEN + 1], end_user_id[UUID_TEXT_LEN + 1];
    struct kept_message *messages;
    struct kept_variable *variables;
    size_t message_count, bytes;
    int64_t turns;
};
struct conversations {
    pthread_mutex_t lock;
    struct conversation *all;    /* by id */
    struct conversation *oldest; /* list, the one used longest ago first */
    size_t bytes;
};

static void copy_id(char to[UUID_TEXT_LEN + 1], struct str id)
{
    size_t len = id.len < UUID_TEXT_LEN ? id.len : UUID_TEXT_LEN;
    memcpy(to, id.ptr, len);
    to[len] = '\0';
}

/* Under the lock. */
static void message_unref(struct kept_message *m)
{
    if (--m->refs == 0)
        free(m);
}

static void variable_free(struct kept_variable *v)
{
    buf_fini(&v->name);
    buf_fini(&v->json);
    free(v);
}

/* Under the lock. */
static void variable_unref(struct kept_variable *v)
{
    if (--v->refs == 0)
        variable_free(v);
}

static void conversation_free(struct conversation *c)
{
    struct kept_message *m, *next_message;
    DL_FOREACH_SAFE (c->messages, m, next_message)
        message_unref(m);
    for (struct kept_variable *v = c->variables, *next; v != NULL; v = next) {
        next = v->next;
        variable_unref(v);
    }
    free(c);
}

void conversation_state_fini(struct conversation_state *state)
{
    value_unref(state->history);
    value_unref(state->variables);
    *state = (struct conversation_state){0};
}

struct conversations *conversations_new(void)
{
    struct conversations *all = calloc(1, sizeof *all);
    if (all != NULL)
        pthread_mutex_init(&all->lock, NULL);
    return all;
}

static void forget(struct conversations *all, struct conversation *c)
{
    HASH_DEL(all->all, c);
    DL_DELETE(all->oldest, c);
    all->bytes -= c->bytes;
    conversation_free(c);
}

void conversations_free(struct conversations *all)
{
    if (all == NULL)
        return;
    while (all->oldest != NULL)
        forget(all, all->oldest);
    pthread_mutex_destroy(&all->lock);
    free(all);
}

/* NULL: there is none, or it is another's. */
static struct conversation *find(struct conversations *all, const struct conversation_key *key)
{
    struct conversation *c = NULL;
    if (key->id.len == UUID_TEXT_LEN)
        HASH_FIND(hh, all->all, key->id.ptr, UUID_TEXT_LEN, c);
    bool is_own = c != NULL && str_eq_c(key->app_id, c->app_id) && str_eq_c(key->end_user_id, c->end_user_id);
    return is_own ? c : NULL;
}

static void touch(struct conversations *all, struct conversation *c)
{
    DL_DELETE(all->oldest, c);
    DL_APPEND(all->oldest, c);
}

/* --- load --- */

/* A file is an object again; NULL: no memory. */
static struct value *read_files(struct str json)
{
    struct value *list = NULL;
    if (json.len > 0 && value_parse_json(NULL, json, &list, NULL) != STATUS_OK)
        return NULL;
    struct value_builder files;
    value_array_begin(&files, NULL);
    for (size_t i = 0; list != NULL && i < value_count(list); i++) {
        struct value_builder file;
        value_object_begin(&file, NULL);
        value_object_put_all(&file, value_item(list, i));
        value_array_put(&files, value_file_end(&file));
    }
    value_unref(list);
    return value_array_end_as(&files, VALUE_ELEM_FILE);
}

/* A text that may be a secret stays one, also inside of lists and objects. NULL: no memory, or v is. */
static struct value *as_secret(struct value *take_v)
{
    struct value_builder b;
    struct value *v = NULL;
    if (take_v == NULL)
        return NULL;
    if (value_type(take_v) == VALUE_STRING) {
        v = value_secret(NULL, value_text(take_v));
    } else if (value_type(take_v) == VALUE_ARRAY) {
        value_array_begin(&b, NULL);
        for (size_t i = 0; i < value_count(take_v); i++)
            value_array_put(&b, as_secret(value_ref(value_item(take_v, i))));
        v = value_array_end_as(&b, value_elem(take_v));
    } else if (value_type(take_v) == VALUE_OBJECT) {
        value_object_begin(&b, NULL);
        for (size_t i = 0; i < value_count(take_v); i++)
            value_object_put(&b, value_key(take_v, i), as_secret(value_ref(value_member(take_v, i))));
        v = value_object_end(&b);
    } else {
        return take_v;
    }
    value_unref(take_v);
    return v;
}

static bool has_secret(const struct value *v)
{
    bool found = value_type(v) == VALUE_SECRET;
    for (size_t i = 0; !found && value_type(v) == VALUE_ARRAY && i < value_count(v); i++)
        found = has_secret(value_item(v, i));
    for (size_t i = 0; !found && value_type(v) == VALUE_OBJECT && i < value_count(v); i++)
        found = has_secret(value_member(v, i));
    return found;
}

static struct value *read_history(const struct reading *r)
{
    struct value_builder list;
    value_array_begin(&list, NULL);
    for (size_t i = 0; i < r->message_count; i++) {
        const struct kept_message *m = r->messages[i];
        struct value_builder turn;
        value_object_begin(&turn, NULL);
        value_object_put(&turn, STR("query"), value_string(NULL, m->query));
        value_object_put(&turn, STR("answer"), value_string(NULL, m->answer));
        value_object_put(&turn, STR("files"), read_files(m->files));
        value_array_put(&list, value_object_end(&turn));
    }
    return value_array_end(&list);
}

static struct value *read_variables(const struct reading *r)
{
    struct value_builder object;
    value_object_begin(&object, NULL);
    for (size_t i = 0; i < r->variable_count; i++) {
        const struct kept_variable *kept = r->variables[i];
        struct value *v = NULL;
        if (value_parse_json(NULL, buf_str(&kept->json), &v, NULL) != STATUS_OK)
            v = NULL;
        value_object_put(&object, buf_str(&kept->name), kept->is_secret ? as_secret(v) : v);
    }
    return value_object_end(&object);
}

/* Under the lock: counts all of it. False: no memory. */
static bool hold(struct conversation *c, struct reading *r)
{
    size_t variables = 0;
    for (const struct kept_variable *v = c->variables; v != NULL; v = v->next)
        variables++;
    r->messages = calloc(c->message_count + 1, sizeof(struct kept_message *));
    r->variables = calloc(variables + 1, sizeof(struct kept_variable *));
    if (r->messages == NULL || r->variables == NULL)
        return false;
    struct kept_message *m;
    DL_FOREACH (c->messages, m) {
        m->refs++;
        r->messages[r->message_count++] = m;
    }
    for (struct kept_variable *v = c->variables; v != NULL; v = v->next) {
        v->refs++;
        r->variables[r->variable_count++] = v;
    }
    return true;
}

/* Under the lock. */
static void let_go(struct reading *r)
{
    for (size_t i = 0; i < r->message_count; i++)
        message_unref(r->messages[i]);
    for (size_t i = 0; i < r->variable_count; i++)
        variable_unref(r->variables[i]);
    free(r->messages);
    free(r->variables);
}

size_t conversations_bytes(struct conversations *all, const struct conversation_key *key)
{
    pthread_mutex_lock(&all->lock);
    const struct conversation *c = find(all, key);
    size_t bytes = c != NULL ? c->bytes : 0;
    pthread_mutex_unlock(&all->lock);
    return bytes;
}

enum status_code conversations_load(struct conversations *all, const struct conversation_key *key,
                                    struct conversation_state *ret, struct status *err)
{
    struct reading r = {0};
    bool is_held = false;
    *ret = (struct conversation_state){0};
    pthread_mutex_lock(&all->lock);
    struct conversation *c = find(all, key);
    if (c != NULL) {
        touch(all, c);
        ret->turns = c->turns;
        is_held = hold(c, &r);
    }
    pthread_mutex_unlock(&all->lock);
    if (c == NULL)
        return status_reason(err, STATUS_NOT_FOUND, "CONVERSATION_NOT_FOUND",
                             "there is no such conversation of this user");
    if (is_held) {
        ret->history = read_history(&r);
        ret->variables = read_variables(&r);
    }
    pthread_mutex_lock(&all->lock);
    let_go(&r);
    pthread_mutex_unlock(&all->lock);
    if (ret->history != NULL && ret->variables != NULL)
        return STATUS_OK;
    conversation_state_fini(ret);
    return status_set(err, STATUS_RESOURCE_EXHAUSTED, "no memory for the conversation");
}

/* --- add --- */

static struct str put_text(char **at, struct str text)
{
    struct str copy = {*at, text.len};
    if (text.len > 0)
        memcpy(*at, text.ptr, text.len);
    *at += text.len;
    return copy;
}

/* NULL: no memory. */
static struct kept_message *message_new(const struct run *run, struct str answer)
{
    const struct value *said = run_system_value(run, "query"), *files = run_system_value(run, "files");
    struct str query = said == NULL ? STR("") : value_text(said);
    struct buf json;
    buf_init(&json, LIMIT_RUN_BYTES);
    if (files != NULL && value_count(files) > 0)
        value_put_json(&json, files, JSON_COMPACT, false);
    size_t bytes = sizeof(struct kept_message) + query.len + answer.len + json.len;
    struct kept_message *m = json.failed ? NULL : malloc(bytes);
    if (m != NULL) {
        char *at = m->texts;
        m->refs = 1;
        m->bytes = bytes;
        m->query = put_text(&at, query);
        m->answer = put_text(&at, answer);
        m->files = put_text(&at, buf_str(&json));
    }
    buf_fini(&json);
    return m;
}

static size_t variable_bytes(const struct kept_variable *v)
{
    return sizeof *v + v->name.cap + v->json.cap;
}

/* The variables a run has set, as a list; false: no memory. */
static bool changes_of(const struct run *run, struct kept_variable **ret)
{
    const struct graph *g = run_graph(run);
    for (uint32_t i = 0; i < g->conversation_count; i++) {
        const struct value *v = run_conversation_change(run, i);
        struct kept_variable *kept = v == NULL ? NULL : calloc(1, sizeof *kept);
        if (v == NULL)
            continue;
        if (kept == NULL)
            return false;
        LL_PREPEND(*ret, kept);
        kept->refs = 1;
        kept->is_secret = has_secret(v);
        buf_init(&kept->name, LIMIT_DSL_BYTES);
        buf_init(&kept->json, LIMIT_RUN_BYTES);
        buf_put(&kept->name, g->conversation[i].name);
        value_put_json(&kept->json, v, JSON_COMPACT, false);
        if (kept->name.failed || kept->json.failed)
            return false;
    }
    return true;
}

static void take_change(struct conversation *c, struct kept_variable *take_v)
{
    for (struct kept_variable **at = &c->variables; *at != NULL; at = &(*at)->next) {
        struct kept_variable *old = *at;
        if (!str_eq(buf_str(&old->name), buf_str(&take_v->name)))
            continue;
        *at = old->next;
        c->bytes -= variable_bytes(old);
        variable_unref(old);
        break;
    }
    LL_PREPEND(c->variables, take_v);
    c->bytes += variable_bytes(take_v);
}

static void take_message(struct conversation *c, struct kept_message *take_m)
{
    DL_APPEND(c->messages, take_m);
    c->bytes += take_m->bytes;
    c->turns++;
    if (++c->message_count <= CONVERSATION_MESSAGES_MAX)
        return;
    struct kept_message *oldest = c->messages;
    DL_DELETE(c->messages, oldest);
    c->bytes -= oldest->bytes;
    c->message_count--;
    message_unref(oldest);
}

/* The conversation, made when there is none; NULL: no memory, or it is another's. */
static struct conversation *obtain(struct conversations *all, const struct conversation_key *key)
{
    struct conversation *c = NULL;
    HASH_FIND(hh, all->all, key->id.ptr, key->id.len, c);
    if (c != NULL)
        return find(all, key);
    c = calloc(1, sizeof *c);
    if (c == NULL)
        return NULL;
    copy_id(c->id, key->id);
    copy_id(c->app_id, key->app_id);
    copy_id(c->end_user_id, key->end_user_id);
    c->bytes = sizeof *c;
    HASH_ADD(hh, all->all, id, UUID_TEXT_LEN, c);
    if (c->hh.tbl == NULL) { /* no memory for the table */
        free(c);
        return NULL;
    }
    DL_APPEND(all->oldest, c);
    all->bytes += c->bytes;
    return c;
}

static void trim(struct conversations *all, const struct conversation *keep)
{
    while (all->oldest != keep &&
           (HASH_COUNT(all->all) > CONVERSATIONS_MAX || all->bytes > CONVERSATIONS_BYTES_MAX))
        forget(all, all->oldest);
}

bool conversations_add(struct conversations *all, const struct conversation_key *key, const struct run *run,
                       struct str answer)
{
    struct kept_variable *changes = NULL;
    struct kept_message *message = message_new(run, answer);
    bool ok = message != NULL && key->id.len == UUID_TEXT_LEN && changes_of(run, &changes);
    pthread_mutex_lock(&all->lock);
    struct conversation *c = ok ? obtain(all, key) : NULL;
    if (c != NULL) {
        all->bytes -= c->bytes;
        take_message(c, message);
        message = NULL;
        while (changes != NULL) {
            struct kept_variable *v = changes;
            changes = v->next;
            take_change(c, v);
        }
        all->bytes += c->bytes;
        touch(all, c);
        trim(all, c);
    }
    pthread_mutex_unlock(&all->lock);
    free(message);
    for (struct kept_variable *v = changes, *next; v != NULL; v = next) {
        next = v->next;
        variable_free(v);
    }
    return c != NULL;
}
