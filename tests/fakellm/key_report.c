/* key_report: what each key was asked for, by model, and how that ended. */
#include "key_report.h"

#include <stdlib.h>
#include <string.h>
#define HASH_FUNCTION HASH_FNV /* the usual one falls through between cases, which Clang warns of */
#include <uthash.h>

struct key_counts {
    uint64_t received, served, limited, refused[KEY_STATUS_COUNT];
    uint64_t error_events, garbage, stalls, resets, cuts;
    uint64_t ended[HTTP_BROKEN_OFF + 1];
    uint64_t prompt_tokens, completion_tokens;
    uint64_t in_flight_max;
    uint64_t rests, in_grace, while_resting, delivered, double_sends;
    int64_t while_resting_latest_ns; /* how far into a rest a call came at most */
    int64_t first_ns, last_ns;       /* of what came in */
};

struct key_row {
    UT_hash_handle hh;
    char *name; /* key, NUL, model: what it is found by; a byte before each says whether it was given */
    size_t name_bytes;
    const char *key, *model; /* in name; NULL: not given */
    bool is_others;
    uint64_t in_flight;
    int64_t rest_from_ns, rest_until_ns, rest_grace_ns;
    struct key_counts counts;
};

struct key_report {
    struct key_row *rows; /* hash by name */
    struct key_row *others;
    struct text name; /* scratch */
    struct delivered delivered;
};

static void row_free(struct key_row *row)
{
    if (row == NULL)
        return;
    free(row->name);
    free(row);
}

struct key_report *key_report_new(void)
{
    struct key_report *report = calloc(1, sizeof *report);
    if (report == NULL)
        return NULL;
    text_init(&report->name, (size_t)HTTP_HEAD_BYTES_MAX + HTTP_BODY_BYTES_MAX);
    report->others = calloc(1, sizeof *report->others);
    if (report->others == NULL) {
        key_report_free(report);
        return NULL;
    }
    report->others->is_others = true;
    return report;
}

void key_report_free(struct key_report *report)
{
    if (report == NULL)
        return;
    struct key_row *row, *next;
    HASH_ITER (hh, report->rows, row, next) {
        HASH_DEL(report->rows, row);
        row_free(row);
    }
    row_free(report->others);
    text_fini(&report->name);
    delivered_fini(&report->delivered);
    free(report);
}

static void row_reset(struct key_row *row)
{
    row->counts = (struct key_counts){.received = row->in_flight, .in_flight_max = row->in_flight};
    row->rest_from_ns = row->rest_until_ns = row->rest_grace_ns = 0;
}

void key_report_reset(struct key_report *report)
{
    struct key_row *row, *next;
    HASH_ITER (hh, report->rows, row, next) {
        row_reset(row);
        if (row->in_flight == 0) {
            HASH_DEL(report->rows, row);
            row_free(row);
        }
    }
    row_reset(report->others);
    delivered_fini(&report->delivered);
}

/* ---- rows ---- */

static void put_name(struct text *name, const char *s)
{
    text_put(name, s != NULL ? SPAN("+") : SPAN("-"));
    text_put_cstr(name, s != NULL ? s : "");
    text_put(name, SPAN("\0"));
}

static struct key_row *row_new(const struct text *name, const char *key, const char *model)
{
    struct key_row *row = calloc(1, sizeof *row);
    if (row == NULL)
        return NULL;
    row->name = malloc(name->len);
    if (row->name == NULL) {
        free(row);
        return NULL;
    }
    memcpy(row->name, name->ptr, name->len);
    row->name_bytes = name->len;
    row->key = key != NULL ? row->name + 1 : NULL;
    row->model = model != NULL ? row->name + strlen(row->name) + 2 : NULL;
    return row;
}

static struct key_row *find_row(struct key_report *report, const char *key, const char *model)
{
    text_clear(&report->name, HTTP_HEAD_BYTES_MAX);
    put_name(&report->name, key);
    put_name(&report->name, model);
    if (report->name.failed)
        return report->others;
    struct key_row *row;
    HASH_FIND(hh, report->rows, report->name.ptr, report->name.len, row);
    if (row != NULL)
        return row;
    row = HASH_COUNT(report->rows) < KEY_ROWS_MAX ? row_new(&report->name, key, model) : NULL;
    if (row == NULL)
        return report->others;
    HASH_ADD_KEYPTR(hh, report->rows, row->name, row->name_bytes, row);
    return row;
}

/* ---- counting ---- */

static void count_rest(struct key_row *row, int64_t now_ns)
{
    struct key_counts *counts = &row->counts;
    if (now_ns >= row->rest_until_ns)
        return;
    int64_t into_ns = now_ns - row->rest_from_ns;
    if (into_ns < row->rest_grace_ns) {
        counts->in_grace++;
        return;
    }
    counts->while_resting++;
    if (into_ns > counts->while_resting_latest_ns)
        counts->while_resting_latest_ns = into_ns;
}

struct key_row *key_report_begin(struct key_report *report, const char *key, const char *model,
                                 int64_t now_ns)
{
    struct key_row *row = find_row(report, key, model);
    struct key_counts *counts = &row->counts;
    counts->received++;
    if (++row->in_flight > counts->in_flight_max)
        counts->in_flight_max = row->in_flight;
    if (counts->first_ns == 0)
        counts->first_ns = now_ns;
    counts->last_ns = now_ns;
    if (!row->is_others)
        count_rest(row, now_ns);
    return row;
}

void key_report_end(struct key_row *row, const struct key_outcome *outcome)
{
    struct key_counts *counts = &row->counts;
    row->in_flight--;
    counts->ended[outcome->how]++;
    counts->served += outcome->is_served;
    counts->limited += outcome->is_limited;
    if (outcome->status >= KEY_STATUS_MIN && outcome->status < KEY_STATUS_MIN + KEY_STATUS_COUNT)
        counts->refused[outcome->status - KEY_STATUS_MIN]++;
    counts->error_events += outcome->is_error_event;
    counts->garbage += outcome->is_garbage;
    counts->stalls += outcome->is_stalled;
    counts->resets += outcome->is_reset;
    counts->cuts += outcome->is_cut;
    counts->prompt_tokens += outcome->prompt_tokens;
    counts->completion_tokens += outcome->completion_tokens;
}

void key_report_rest(struct key_row *row, int64_t now_ns, int64_t until_ns, int64_t grace_ns)
{
    row->counts.rests++;
    if (now_ns >= row->rest_until_ns) {
        row->rest_from_ns = now_ns;
        row->rest_grace_ns = grace_ns;
    }
    if (until_ns > row->rest_until_ns)
        row->rest_until_ns = until_ns;
}

static void count_double(struct key_row *row, bool *counted)
{
    row->counts.double_sends += !*counted;
    *counted = true;
}

void key_report_asked(struct key_report *report, struct key_row *row, uint64_t digest, bool *counted)
{
    if (delivered_has(&report->delivered, digest))
        count_double(row, counted);
}

void key_report_delivers(struct key_report *report, struct key_row *row, uint64_t digest, bool *counted)
{
    row->counts.delivered++;
    if (!delivered_add(&report->delivered, digest))
        count_double(row, counted);
}

/* ---- the report ---- */

static void put_count(struct text *out, const char *name, uint64_t count)
{
    text_putf(out, ",\"%s\":%llu", name, (unsigned long long)count);
}

static void put_ms(struct text *out, const char *name, int64_t ns)
{
    if (ns == 0)
        text_putf(out, ",\"%s\":null", name);
    else
        text_putf(out, ",\"%s\":%lld.%03lld", name, (long long)(ns / 1000000), (long long)(ns / 1000 % 1000));
}

static void put_refused(struct text *out, const struct key_counts *counts)
{
    bool is_first = true;
    text_put(out, SPAN(",\"refused\":{"));
    for (int i = 0; i < KEY_STATUS_COUNT; i++) {
        if (counts->refused[i] == 0)
            continue;
        text_putf(out, "%s\"%d\":%llu", is_first ? "" : ",", KEY_STATUS_MIN + i,
                  (unsigned long long)counts->refused[i]);
        is_first = false;
    }
    text_put(out, SPAN("}"));
}

static void put_row(struct text *out, const struct key_row *row)
{
    const struct key_counts *counts = &row->counts;
    text_put(out, SPAN("{\"key\":"));
    text_put_json(out, row->key);
    text_put(out, SPAN(",\"model\":"));
    text_put_json(out, row->model);
    text_putf(out, ",\"is_others\":%s", row->is_others ? "true" : "false");
    put_count(out, "received", counts->received);
    put_count(out, "served", counts->served);
    put_refused(out, counts);
    put_count(out, "limited", counts->limited);
    put_count(out, "error_events", counts->error_events);
    put_count(out, "garbage", counts->garbage);
    put_count(out, "stalls", counts->stalls);
    put_count(out, "resets", counts->resets);
    put_count(out, "cuts", counts->cuts);
    for (int i = 0; i <= HTTP_BROKEN_OFF; i++) {
        text_put(out, i == 0 ? SPAN(",\"ends\":{") : SPAN(","));
        text_putf(out, "\"%s\":%llu", http_end_name((enum http_end)i), (unsigned long long)counts->ended[i]);
    }
    text_put(out, SPAN("}"));
    put_count(out, "in_flight", row->in_flight);
    put_count(out, "in_flight_max", counts->in_flight_max);
    put_count(out, "prompt_tokens", counts->prompt_tokens);
    put_count(out, "completion_tokens", counts->completion_tokens);
    put_ms(out, "first_at_monotonic_ms", counts->first_ns);
    put_ms(out, "last_at_monotonic_ms", counts->last_ns);
    put_ms(out, "rests_until_monotonic_ms", row->rest_until_ns);
    put_count(out, "rests", counts->rests);
    put_count(out, "in_grace", counts->in_grace);
    put_count(out, "while_resting", counts->while_resting);
    put_ms(out, "while_resting_latest_ms", counts->while_resting_latest_ns);
    put_count(out, "delivered", counts->delivered);
    put_count(out, "double_sends", counts->double_sends);
    text_put(out, SPAN("}"));
}

static void add_totals(struct key_counts *totals, const struct key_row *row)
{
    totals->received += row->counts.received;
    totals->served += row->counts.served;
    totals->limited += row->counts.limited;
    totals->while_resting += row->counts.while_resting;
    totals->delivered += row->counts.delivered;
    totals->double_sends += row->counts.double_sends;
}

void key_report_put_json(const struct key_report *report, struct text *out)
{
    struct key_counts totals = {0};
    text_put(out, SPAN("{\"keys\":["));
    const struct key_row *row = report->rows;
    for (; row != NULL; row = row->hh.next) {
        put_row(out, row);
        add_totals(&totals, row);
        text_put(out, row->hh.next != NULL ? SPAN(",\n") : SPAN(""));
    }
    if (report->others->counts.received > 0) {
        text_put(out, report->rows != NULL ? SPAN(",\n") : SPAN(""));
        put_row(out, report->others);
        add_totals(&totals, report->others);
    }
    text_put(out, SPAN("]"));
    put_count(out, "received", totals.received);
    put_count(out, "served", totals.served);
    put_count(out, "limited", totals.limited);
    put_count(out, "while_resting", totals.while_resting);
    put_count(out, "delivered", totals.delivered);
    put_count(out, "double_sends", totals.double_sends);
    put_count(out, "digests_forgotten", report->delivered.forgotten);
    text_put(out, SPAN("}\n"));
}
