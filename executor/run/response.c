/*
 * response: see response.h. One session per response node; those that are reachable stand in one queue, and only its head
 * writes. Streams keep their whole text, because several sessions may read it.
 *
 * Where Dify would wait for ever we go on: once a response node itself has ended and the source of a reference can give
 * nothing more, the reference is written as the node has written it in its outputs, so that texts and outputs agree.
 */
#include "executor/run/response.h"
#include "executor/value/form.h"
#include <stdlib.h>

static bool init_session(struct response_set *s, struct arena *arena, const struct response *response);
static int by_node_id(const void *a, const void *b);
static void enqueue(struct response_set *s, struct response_session *session);
static bool can_be_completed(const struct response_set *s, const struct response_session *session);
static bool is_plain_text(const struct response_set *s, const struct response_segment *segment);
static void drop_unfinished(struct response_set *s);
static void flush(struct response_set *s);
static bool write_segment(struct response_set *s, struct response_session *session);
static void write_fixed(struct response_set *s, struct response_session *session, struct str text);
static void write_value(struct response_set *s, struct response_session *session, const struct value *v);
static void write_stream(struct response_set *s, struct response_session *session,
                         const struct response_stream *stream);
static void write_bare_path(struct response_set *s, struct response_session *session);
static void emit_reference(struct response_set *s, struct response_session *session, struct str text,
                           bool is_final);

static const struct response_segment *segment_of(const struct response_session *session)
{
    return &session->response->segments[session->cursor];
}

static bool is_last(const struct response_session *session)
{
    return session->cursor + 1 == session->response->segment_count;
}

/* NULL: it has none. */
static struct response_stream *stream_of(const struct response_set *s, const struct response_segment *segment)
{
    return !segment->is_reference || segment->selector.slot == SLOT_NONE ? NULL
                                                                         : s->streams[segment->selector.slot];
}

static enum response_source source_of(const struct response_set *s, const struct response_segment *segment)
{
    return segment->source_node == UINT32_MAX ? RESPONSE_SOURCE_ENDED
                                              : s->host->source(s->host_arg, segment->source_node);
}

bool response_init(struct response_set *s, struct arena *arena, const struct graph *graph, uint32_t container,
                   size_t text_bytes_max, const struct response_host *host, void *host_arg)
{
    *s = (struct response_set){
        .graph = graph, .text_bytes_max = text_bytes_max, .host = host, .host_arg = host_arg};
    uint32_t count = 0;
    for (uint32_t i = 0; i < graph->response_count; i++)
        count += graph->nodes[graph->responses[i].node].container == container;
    if (count == 0)
        return true;
    s->sessions = arena_array(arena, count, sizeof *s->sessions);
    s->streams = arena_array(arena, graph->slot_count, sizeof(struct response_stream *));
    if (s->sessions == NULL || s->streams == NULL)
        return false;
    for (uint32_t i = 0; i < graph->response_count; i++) {
        if (graph->nodes[graph->responses[i].node].container == container &&
            !init_session(s, arena, &graph->responses[i]))
            return false;
    }
    if (s->session_count > 1)
        qsort(s->sessions, s->session_count, sizeof *s->sessions, by_node_id);
    return true;
}

/* The session, and a stream for every variable its segments mention. */
static bool init_session(struct response_set *s, struct arena *arena, const struct response *response)
{
    struct response_session *session = &s->sessions[s->session_count++];
    *session = (struct response_session){.response = response, .node = &s->graph->nodes[response->node]};
    for (uint32_t i = 0; i < response->segment_count; i++) {
        const struct response_segment *segment = &response->segments[i];
        if (!segment->is_reference || segment->selector.slot == SLOT_NONE ||
            s->streams[segment->selector.slot] != NULL)
            continue;
        struct response_stream *stream = arena_alloc(arena, sizeof *stream);
        if (stream == NULL)
            return false;
        buf_init(&stream->text, s->text_bytes_max);
        s->streams[segment->selector.slot] = stream;
    }
    return true;
}

static int by_node_id(const void *a, const void *b)
{
    const struct response_session *left = a, *right = b;
    return str_cmp(left->node->id, right->node->id);
}

void response_restart(struct response_set *s)
{
    for (uint32_t i = 0; i < s->session_count; i++)
        s->sessions[i] =
            (struct response_session){.response = s->sessions[i].response, .node = s->sessions[i].node};
    for (uint32_t i = 0; s->streams != NULL && i < s->graph->slot_count; i++) {
        if (s->streams[i] == NULL)
            continue;
        buf_clear(&s->streams[i]->text);
        s->streams[i]->has_begun = s->streams[i]->is_closed = false;
    }
    s->active = s->last = NULL;
    s->is_ending = false;
}

void response_fini(struct response_set *s)
{
    for (uint32_t i = 0; s->streams != NULL && i < s->graph->slot_count; i++) {
        if (s->streams[i] != NULL)
            buf_fini(&s->streams[i]->text);
    }
    s->streams = NULL;
}

void response_edge_taken(struct response_set *s, uint32_t edge)
{
    for (uint32_t i = 0; i < s->session_count; i++) {
        struct response_session *session = &s->sessions[i];
        if (session->state != RESPONSE_BLOCKED || !graph_response_is_opened_by(session->response, edge))
            continue;
        enqueue(s, session);
        flush(s);
    }
}

/*
 * Behind those that wait, with one exception: where the active one has written nothing yet, one that can be written to its
 * end goes first. So a fixed answer does not wait for a model beside it, and the texts keep the order of the outputs.
 */
static void enqueue(struct response_set *s, struct response_session *session)
{
    struct response_session *active = s->active;
    session->state = RESPONSE_QUEUED;
    if (active != NULL && !active->has_written && can_be_completed(s, session)) {
        session->next = active;
        s->active = session;
        return;
    }
    if (active == NULL)
        s->active = session;
    else
        s->last->next = session;
    s->last = session;
}

static bool can_be_completed(const struct response_set *s, const struct response_session *session)
{
    for (uint32_t i = 0; i < session->response->segment_count; i++) {
        const struct response_segment *segment = &session->response->segments[i];
        const struct response_stream *stream = stream_of(s, segment);
        if (is_plain_text(s, segment) || source_of(s, segment) == RESPONSE_SOURCE_SKIPPED)
            continue;
        if (stream != NULL && stream->has_begun ? !stream->is_closed
                                                : s->host->get(s->host_arg, &segment->selector) == NULL)
            return false;
    }
    return true;
}

void response_chunk(struct response_set *s, uint32_t slot, struct str text, bool is_final)
{
    if (s->streams == NULL || slot == SLOT_NONE || s->streams[slot] == NULL || s->streams[slot]->is_closed)
        return;
    struct response_stream *stream = s->streams[slot];
    buf_put(&stream->text, text);
    if (stream->text.failed || (stream->text.cap > stream->charged &&
                                !s->host->charge(s->host_arg, stream->text.cap - stream->charged))) {
        s->has_failed = true;
        return;
    }
    if (stream->text.cap > stream->charged)
        stream->charged = stream->text.cap;
    stream->has_begun = true;
    stream->is_closed = is_final;
    flush(s);
}

void response_node_ended(struct response_set *s, uint32_t node)
{
    for (uint32_t i = 0; i < s->session_count; i++) {
        if (s->sessions[i].response->node == node)
            s->sessions[i].node_has_ended = true;
    }
    flush(s);
}

void response_forget(struct response_set *s, const struct node *node)
{
    for (uint32_t i = 0; i < node->slot_count; i++) {
        uint32_t slot = node->slots[i].slot;
        struct response_stream *stream = slot == SLOT_NONE || s->streams == NULL ? NULL : s->streams[slot];
        if (stream == NULL || !stream->has_begun)
            continue;
        struct response_session *active = s->active;
        if (active != NULL && segment_of(active)->is_reference && segment_of(active)->selector.slot == slot &&
            active->read > 0) {
            s->host->rewind(s->host_arg, active->read);
            active->read = 0;
        }
        buf_clear(&stream->text);
        stream->has_begun = stream->is_closed = false;
    }
}

/* A response node that never ran puts nothing out, so those behind it need not wait for it. */
static void drop_unfinished(struct response_set *s)
{
    struct response_session **link = &s->active;
    while (*link != NULL) {
        if ((*link)->node_has_ended)
            link = &(*link)->next;
        else
            *link = (*link)->next;
    }
}

void response_end(struct response_set *s)
{
    s->is_ending = true;
    drop_unfinished(s);
    flush(s);
}

bool response_mentions_reasoning(const struct response_set *s, const struct node *node)
{
    for (const struct response_session *session = s->active; session != NULL; session = session->next) {
        for (uint32_t i = 0; i < session->response->segment_count; i++) {
            const struct response_segment *segment = &session->response->segments[i];
            if (segment->is_reference && segment->source_node == node->index &&
                (str_eq_c(segment->selector.parts[1], "text") ||
                 str_eq_c(segment->selector.parts[1], "reasoning_content")))
                return true;
        }
    }
    return false;
}

/* Writes what can be written: to the end of the active session, and on with the next. */
static void flush(struct response_set *s)
{
    while (s->active != NULL && !s->has_failed) {
        struct response_session *session = s->active;
        while (session->cursor < session->response->segment_count) {
            if (!write_segment(s, session))
                return;
            session->cursor++;
            session->read = 0;
        }
        session->state = RESPONSE_DONE;
        s->active = session->next;
    }
}

static bool is_plain_text(const struct response_set *s, const struct response_segment *segment)
{
    const struct response_stream *stream = stream_of(s, segment);
    return !segment->is_reference || (segment->is_bare && (stream == NULL || !stream->has_begun) &&
                                      s->host->get(s->host_arg, &segment->selector) == NULL);
}

/* True: the segment is complete. */
static bool write_segment(struct response_set *s, struct response_session *session)
{
    const struct response_segment *segment = segment_of(session);
    if (is_plain_text(s, segment)) {
        write_fixed(s, session, segment->literal);
        return !s->has_failed;
    }
    enum response_source source = source_of(s, segment);
    if (source == RESPONSE_SOURCE_SKIPPED)
        return true;
    /* The response node has rendered its outputs: what it did not find then need not be waited for. */
    bool gives_up = session->node_has_ended && (source == RESPONSE_SOURCE_ENDED || s->is_ending);
    const struct response_stream *stream = stream_of(s, segment);
    if (stream != NULL && stream->has_begun) {
        write_stream(s, session, stream);
        return stream->is_closed || gives_up;
    }
    const struct value *v = s->host->get(s->host_arg, &segment->selector);
    if (v != NULL)
        write_value(s, session, v);
    else if (gives_up)
        write_bare_path(s, session);
    return (v != NULL || gives_up) && !s->has_failed;
}

static void write_fixed(struct response_set *s, struct response_session *session, struct str text)
{
    const struct str selector[] = {session->node->id, STR("answer")};
    const struct response_text out = {.text = text,
                                      .selector = selector,
                                      .selector_count = ARRAY_LEN(selector),
                                      .node = session->response->node,
                                      .is_fixed_text = true,
                                      .is_final = is_last(session)};
    session->has_written = true;
    s->host->emit(s->host_arg, &out);
}

static void write_value(struct response_set *s, struct response_session *session, const struct value *v)
{
    if (value_type(v) == VALUE_STRING) { /* its markdown form is itself */
        emit_reference(s, session, value_text(v), is_last(session));
        return;
    }
    struct buf text;
    buf_init(&text, s->text_bytes_max);
    value_put_markdown(&text, v);
    if (text.failed)
        s->has_failed = true;
    else
        emit_reference(s, session, buf_str(&text), is_last(session));
    buf_fini(&text);
}

/* What has come since the last time; the empty end of a stream is passed on too. */
static void write_stream(struct response_set *s, struct response_session *session,
                         const struct response_stream *stream)
{
    struct str unread = str_sub(buf_str(&stream->text), session->read, stream->text.len);
    if (unread.len == 0 && !stream->is_closed)
        return;
    session->read = stream->text.len;
    emit_reference(s, session, unread, stream->is_closed);
}

/* As an answer renders what it does not find (dify-dsl.md 2.3); an end node has null for it, which is no text. */
static void write_bare_path(struct response_set *s, struct response_session *session)
{
    if (!str_eq_c(session->node->type_name, "answer"))
        return;
    struct buf text;
    buf_init(&text, s->text_bytes_max);
    selector_put_dotted(&text, &segment_of(session)->selector);
    if (text.failed)
        s->has_failed = true;
    else
        emit_reference(s, session, buf_str(&text), is_last(session));
    buf_fini(&text);
}

static void emit_reference(struct response_set *s, struct response_session *session, struct str text,
                           bool is_final)
{
    const struct response_segment *segment = segment_of(session);
    const struct response_text out = {.text = text,
                                      .selector = segment->selector.parts,
                                      .selector_count = segment->selector.count,
                                      .node = segment->source_node == UINT32_MAX ? session->response->node
                                                                                 : segment->source_node,
                                      .is_final = is_final};
    session->has_written = true;
    s->host->emit(s->host_arg, &out);
}
