/*
 * journal: the one writer of an executor's run records: runs, their nodes, messages, conversations and their variables.
 *
 * Parts     a run hands in a beginning, records of nodes, and an end. What is still waiting when the next part comes is merged
 *           with it, so a run that begins and ends within one commit is one row.
 * Commits   one writer thread, one connection. A commit starts as soon as somebody waits for something (an end, a beginning
 *           that must be first) and none is in flight; what comes meanwhile is the next one's (no timer). What nobody waits
 *           for goes with it, or after JOURNAL_LINGER_MS. Callbacks come on the writer's thread once the commit is durable:
 *           against loss of power (synchronous=full) or against the end of the process (normal), as `durability` says.
 * Truth     every write names the run's attempt and the owner (instance.h): the first end of a run counts; a later one is
 *           counted and dropped, and its run hears JOURNAL_CLOSED.
 * Failure   a commit that fails (disk full, read-only, busy) is tried again every JOURNAL_RETRY_MS, and meanwhile
 *           journal_admits() refuses new runs. After JOURNAL_PATIENCE_MS of it waiting ends hear JOURNAL_GIVEN_UP, once, and
 *           their records will say failed, store unavailable, when they can be written at last. A beginning that must be first
 *           hears it as well, and leaves no record: its id is free. A record that the database
 *           refuses, itself and not the others, is written like that at once, or not at all, with a line in the log.
 * Bounds    JOURNAL_BYTES_MAX of waiting parts: from half of it on journal_admits() refuses; over it journal_nodes() asks its
 *           run to wait. Beginnings and ends always fit, short of no memory at all.
 * Threads   any; the functions of one run not two at a time. Callbacks must be quick, may call the functions here, and never
 *           come from inside them.
 * Source    architecture.md section 6; worker-loop.md section 9.
 */
#pragma once
#include "shared/base/metrics.h"
#include "shared/store/app.h"
#include <stdatomic.h>

/* bytes. Of parts that wait for their commit. */
#define JOURNAL_BYTES_MAX ((size_t)256 * 1024 * 1024)
/* runs. Of one commit: a bound for how long it takes. */
#define JOURNAL_BATCH_MAX 1000
/* ms. Beginnings and nodes wait so long for an end to go with: a commit costs more than what is in it. */
#define JOURNAL_LINGER_MS 20
/* ms. Between two tries of a commit that failed. */
#define JOURNAL_RETRY_MS 250
/* ms. After that long without a commit waiting ends are given up. */
#define JOURNAL_PATIENCE_MS 10000

struct journal;

enum journal_durability { JOURNAL_POWER, JOURNAL_PROCESS };

/*
 * url          of the store (store.h); the records lie in a file of their own beside it
 * master_key   as store_options: seals values of conversation variables that hold secrets; NULL: these are not kept
 * instance     the owner of all its runs (instance.h)
 */
struct journal_options {
    const char *url, *master_key;
    enum journal_durability durability;
    int64_t instance;
    struct metric_child *commit_us; /* a histogram; NULL: not measured */
};

/* Opens the records and starts the writer. Blocks. Errors of store_open(). */
MUST_CHECK enum status_code journal_open(const struct journal_options *options, struct journal **ret_journal,
                                         struct status *err);
/*
 * Commits what waits (gives up as above), answers all, ends the thread. NULL is fine. Not while somebody still calls; runs that
 * have begun have been ended.
 */
void journal_close(struct journal *take_journal);

enum journal_outcome {
    JOURNAL_DURABLE,
    JOURNAL_CLOSED,  /* of a beginning: the id is taken. Of an end: somebody has ended the run before */
    JOURNAL_GIVEN_UP /* could not be written in time */
};

/*
 * begun     answer to a beginning with `must_be_first`; for others it does not come
 * ended     answer to an end; the last callback: the journal_run may go
 * resumed   answer to a journal_nodes() that asked to wait
 */
struct journal_run;
struct journal_ops {
    void (*begun)(struct journal_run *run, enum journal_outcome outcome);
    void (*ended)(struct journal_run *run, enum journal_outcome outcome);
    void (*resumed)(struct journal_run *run);
};

/* One run's place in the journal. In the caller's memory, zeroed; `ops` set by the caller; the rest is the journal's. */
struct journal_place;
struct journal_run {
    const struct journal_ops *ops;
    struct journal_place *place; /* NULL: nothing was begun */
};

/* Ids are UUIDs as text, "" for none. Texts are copied, cleaned of NUL and of what is no UTF-8. */
struct journal_begin {
    struct str workspace_id, run_id, app_id, version_id, end_user_id;
    struct str user, end_user_type;
    enum store_app_mode mode;
    enum store_record
        record; /* STORE_RECORD_NONE: only message and conversation are written; nothing for workflows */
    int32_t version_number; /* 0: not known */
    uint32_t attempt;
    int64_t created_at_ms;
    struct str inputs; /* JSON object, with sys.*; "": not kept */
    bool
        must_be_first; /* the id is the caller's own: nothing of the run may be shown before it is known to be new */
    /* Chat apps. */
    struct str conversation_id, message_id, parent_message_id;
    bool conversation_is_new;
    struct str message_inputs; /* JSON object: what the caller has sent; "": not kept */
    struct str query;
    struct str query_files; /* JSON array of the files of the query, as the run has them; "": none */
    struct str
        user_files; /* heddle.v1.ConversationMessage, its field user_files as bytes on the wire; "": none */
    struct str introduction; /* of a new conversation */
};

struct journal_variable { /* of a conversation, as it is now */
    struct str name, value_type, description;
    struct str value; /* JSON */
    bool has_secret;  /* sealed at rest, stars in lists */
};

struct journal_end {
    int status, end_reason; /* numbers of heddle.v1.RunStatus and EndReason */
    int64_t finished_at_ms, elapsed_ms, total_tokens;
    int32_t total_steps, exceptions_count;
    struct str outputs; /* JSON object; "": not kept */
    struct str error;
    struct str usage; /* heddle.v1.Usage, serialized; "": none */
    /* Chat apps. */
    struct str answer;
    struct str answer_files; /* field answer_files of heddle.v1.ConversationMessage on the wire */
    const struct journal_variable *variables; /* that the run has set */
    size_t variable_count;
};

/*
 * May a new run begin?
 * UNAVAILABLE   STORE_FULL, STORE_IO, STORE_BUSY …: records cannot be written now (retry_ms is set); NOT_BEGUN: half of
 *               JOURNAL_BYTES_MAX waits
 */
MUST_CHECK enum status_code journal_admits(struct journal *journal, struct status *err);
/* False: no memory; nothing was noted, and the run must not begin. */
MUST_CHECK bool journal_begin(struct journal *journal, struct journal_run *run,
                              const struct journal_begin *begin);
/*
 * Records of nodes that have ended: field `nodes` of heddle.v1.Run as bytes on the wire, one or several. Without memory they
 * are left out (a record without a node is short, not wrong). False: wait for resumed() before the run goes on.
 */
bool journal_nodes(struct journal *journal, struct journal_run *run, struct str nodes);
/*
 * False: no memory; nothing was noted. The same again without texts (but for `error`) and variables always succeeds; its error
 * may be left out.
 */
MUST_CHECK bool journal_end(struct journal *journal, struct journal_run *run, const struct journal_end *end);

/* What operators watch; all since the start but the first four. */
struct journal_stats {
    size_t waiting_runs, waiting_bytes;
    int64_t oldest_wait_ms; /* of what is not written yet */
    bool is_failing;
    uint64_t commits, runs, late_ends, failed_commits, bytes;
    int64_t last_commit_us;
};
struct journal_stats journal_stats(struct journal *journal);
