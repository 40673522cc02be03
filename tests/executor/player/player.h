/*
 * player: plays a run of an export with a clock that stands still and a model that says what the test tells it to. What the
 * run emits becomes lines of text:
 *
 *     workflow_started {"x":1,"sys.files":[],…}
 *     node_started llm
 *     message llm.text "Hel"
 *     message llm.text "" final
 *     node_finished llm succeeded
 *     iteration_started it 2 {"iterator_selector":[1,2]}
 *     iteration_next it 0
 *     node_started inner in it#0
 *     iteration_completed it succeeded {"output":[1,2]} steps 2
 *     loop_completed loop succeeded {"n":5,"loop_round":4} steps 10 loop_break
 *     message_end
 *     workflow_finished succeeded completed {"answer":"Hel"}
 *
 * A failed node or run has its error behind a colon.
 */
#pragma once
#include "executor/run/run.h"
#include "tests/support/check.h"

enum { PLAYER_CALLS_MAX = 64 };

struct player_call { /* of the model */
    struct model_callbacks callbacks;
    void *arg;
    bool is_open, was_cancelled;
    /*
     * {"provider":…,"model":…,"messages":[{"user":"text"}],"params":…}; where there are some, a message also has
     * "files":["url detail"], "calls":[{"id":…,"name":…,"arguments":…}] and "call_id", and the whole "tools":
     * [{"name":…,"description":…,"parameters":…}] and "whole":true.
     */
    char *request;
    size_t said; /* bytes of the reply that player_finish() has delivered */
};
struct player {
    struct graph *graph;
    struct run *run;
    int64_t now_us, timer_ms; /* timer_ms 0: none */
    int wakes;
    int32_t ids;
    struct player_call calls[PLAYER_CALLS_MAX];
    size_t call_count;
    const char *reply;   /* what every call gets from player_finish() */
    const char *refusal; /* model_start fails with it */
    /* What comes with every reply and failure, where a test says so. */
    struct model_route route;
    struct model_price price;
    int64_t retry_ms;    /* of failures */
    int64_t context;     /* tokens of every model; 0: not known */
    bool pauses_at_text; /* run_set_paused(true) at every text event */
    struct buf log;
    struct buf text;    /* the streamed texts, put together by their offsets */
    struct buf outputs; /* JSON of workflow_finished */
    enum run_status status;
    enum end_reason reason;
    char error[512];
    int32_t steps, exceptions;
    int64_t tokens;
    int ends;                /* workflow_finished events */
    struct usage usage;      /* of workflow_finished; that of message_end is the same */
    char usage_text[128];    /* "0.0000150 + 0.0000100 EUR at 1.5, 2 x 0.000001"; empty: no prices */
    int64_t finish_retry_ms; /* of workflow_finished */
    int64_t last_retry_ms;   /* of the last node_finished or node_retry, as are the next two */
    char last_price[32], last_currency[16];
    char reasoning[256]; /* JSON of message_end */
    struct buf
        last_record; /* of the last node_finished or node_retry: {"inputs":…,"process_data":…,"outputs":…} */
    struct buf
        last_loop_variables; /* JSON; of the last loop_completed or iteration_completed, as are the next two */
    size_t last_durations;
    int64_t last_container_tokens;
    char last_error_type[64];
    char last_predecessor[64]; /* of the last node_started */
    char last_execution_id[40], last_title[64], last_type[32],
        last_strategy[24]; /* of the last event of a node */
    int last_index;
    int64_t last_elapsed_ms;
    char last_text_node[64]; /* the node that the last streamed text is attributed to */
    uint64_t sequence;
};
struct play {                                         /* what a caller sends; everything may be left out */
    const char *query, *inputs, *files, *environment; /* inputs, files, environment: JSON */
    struct value *history, *conversation;             /* as run_params has them; borrowed */
    int64_t dialogue_count;                           /* 0: the first turn */
    int64_t deadline_ms;
    struct run_limits limits;
};

/* Compiles the export; the test fails when it has problems. */
void player_open(struct player *p, const char *dsl);
void player_open_lenient(struct player *p, const char *dsl); /* fail_when_reached */
/* The problems of an export that is refused, one a line; free() it. */
char *player_problems(const char *dsl);
/* An export of the test data (HEDDLE_DSL_DIR, or shared/dsl beside the sources); skips the test when there is none. */
void player_open_export(struct player *p, const char *name);
void player_close(struct player *p);
/* Memory for what the player itself keeps, so that only the run allocates from here on. */
void player_reserve(struct player *p);
/*
 * Plays the export with its 1st, 2nd, 3rd … allocation failing, until none is left that fails: each time the run is refused
 * for memory, or ends, and with all of its memory it succeeds and puts out `outputs` (NULL: anything). reply: of the model, or NULL.
 */
void player_starve(const char *dsl, const struct play *play, const char *reply, const char *outputs);

/* Makes the run; the test fails when it is refused. */
void player_start(struct player *p, const struct play *play);
enum status_code player_try(struct player *p, const struct play *play, struct status *err);
/* Advances until the run waits or has ended. */
enum run_progress player_go(struct player *p);
/* Advances with a model that says p->reply word by word, one word of each call in turn; time for timers passes. */
void player_finish(struct player *p);
/* Both, for runs that need nothing else. */
void player_play(struct player *p, const struct play *play);

void player_say(struct player *p, size_t call, const char *text);
void player_done(struct player *p, size_t call,
                 const char *finish_reason); /* usage: 10 + 5 tokens, 200 ms, first 50 */
/* The same with tools the model wants called. */
void player_done_calls(struct player *p, size_t call, const struct model_tool_call *calls, size_t count);
void player_fail(struct player *p, size_t call, const char *error_type, const char *message);
/* Lets time pass; the timer fires when it is due. */
void player_pass(struct player *p, int64_t ms);

/* The log so far is exactly these lines (each with its line end); it is empty afterwards. */
void player_expect(struct player *p, const char *lines);
/* Some line of the log begins like this; how many do. */
bool player_saw(struct player *p, const char *line);
size_t player_count(struct player *p, const char *line);
#define assert_text(expected, b)        assert_str((expected), buf_str(&(b)))
#define assert_text_contains(needle, b) player_check_contains((needle), buf_str(&(b)))
void player_check_contains(const char *needle, struct str text);

/*
 * Exports in few words: EXPORT("workflow", "", NODE("a", "start", "variables: []") NODE(…), EDGE("a", "b")).
 * more: other keys of `workflow`, indented by two, each line with its end.
 */
#define EXPORT(mode, more, nodes, edges)                                                                     \
    "app: {mode: " mode ", name: test}\nkind: app\nversion: 0.3.1\nworkflow:\n" more                         \
    "  graph:\n    nodes:\n" nodes "    edges:\n" edges
#define NODE(id, type, rest)                                                                                 \
    "    - {id: " id ", type: custom, data: {type: " type ", title: " id ", " rest "}}\n"
#define EDGE(from, to)           HANDLE(from, "source", to)
#define HANDLE(from, handle, to) "    - {source: " from ", sourceHandle: " handle ", target: " to "}\n"
#define START                    NODE("start", "start", "variables: []")
/* The smallest configurations. */
#define LLM(id, prompt, more)                                                                                \
    NODE(id, "llm",                                                                                          \
         "model: {provider: p, name: m, mode: chat, completion_params: {}}, "                                \
         "prompt_template: [{role: user, text: \"" prompt "\"}], context: {enabled: false}, "                \
         "vision: {enabled: false}" more)
/* Nodes of a container: its own, its start node, those inside. */
#define ITERATION(id, list, output, more)                                                                    \
    NODE(id, "iteration",                                                                                    \
         "iterator_selector: [" list "], output_selector: [" output "], start_node_id: " id "start" more)    \
    "    - {id: " id "start, type: custom-iteration-start, parentId: " id                                    \
    ", data: {type: iteration-start, title: ''}}\n"
#define LOOP(id, count, variables, more)                                                                     \
    NODE(id, "loop",                                                                                         \
         "loop_count: " count ", loop_variables: [" variables "], start_node_id: " id "start" more)          \
    "    - {id: " id "start, type: custom-loop-start, parentId: " id                                         \
    ", data: {type: loop-start, title: ''}}\n"
#define INSIDE(container, id, type, rest)                                                                    \
    "    - {id: " id ", type: custom, parentId: " container ", data: {type: " type ", title: " id ", " rest  \
    "}}\n"
#define ANSWER(id, text) NODE(id, "answer", "answer: \"" text "\"")
#define END_OF(id, name, selector)                                                                           \
    NODE(id, "end", "outputs: [{variable: " name ", value_selector: [" selector "]}]")
