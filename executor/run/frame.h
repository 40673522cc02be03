/*
 * frame: one execution of a graph from a root: which edges are taken or skipped, which nodes are ready, what the variables
 * hold (dify-dsl.md 3.2 to 3.4). Pure bookkeeping: it starts nothing and emits nothing.
 * A run has one frame for the nodes outside of containers, and one for each living child of a container. A child shares
 * the variables of the frame around it (loop), or begins with a copy of them (iteration): values are immutable, so a copy is
 * a list of references.
 */
#pragma once
#include "executor/graph/graph.h"

enum { FRAME_NO_NODE = UINT32_MAX };

enum frame_mark { /* of an edge or a node */
                  FRAME_UNKNOWN,
                  FRAME_TAKEN, /* a node: queued or started */
                  FRAME_SKIPPED
};

struct frame_node {
    uint8_t mark; /* enum frame_mark */
    bool has_ended;
    uint32_t edges_unknown, edges_taken; /* of its incoming edges */
    uint32_t predecessor;                /* whose end made it ready; FRAME_NO_NODE for the root */
    uint32_t next;                       /* in the ready queue, or on the stack of skipped nodes */
    uint32_t passed_on;                  /* of a skipped node: outgoing edges that have been skipped */
};
/* First in, first out. */
struct frame_queue {
    uint32_t first, last;
};
struct frame {
    const struct graph *graph;
    uint32_t container;       /* whose nodes run here; UINT32_MAX: those outside of containers */
    struct frame_node *nodes; /* by node.local */
    uint8_t *edges;           /* enum frame_mark, by edge.local */
    struct value **slots;     /* by slot; those of the frame around it when shared */
    struct value **own_slots; /* NULL: never had any */
    struct frame_queue ready;
    uint32_t ending; /* the node whose end is being dealt with */
    /* Told of every edge that is taken, after it is marked and before its target is looked at. */
    void (*edge_taken)(void *arg, uint32_t edge);
    void *arg;
};

/* Memory for what runs in `container`; frame_begin() has to follow. False: no memory (frame_fini() is fine then). */
MUST_CHECK bool frame_init(struct frame *f, struct arena *arena, const struct graph *graph,
                           uint32_t container);
/*
 * Begins, or begins again: the root is ready, inactive nodes are skipped, nothing else has happened.
 * around  NULL: no variable is set. Else the variables of that frame, which outlives this one: shared, or copied
 * False   no memory
 */
MUST_CHECK bool frame_begin(struct frame *f, struct arena *arena, const struct frame *around, bool is_shared);
void frame_fini(struct frame *f); /* releases its own variables; it may begin again */

/* What is known of a node that runs here. */
struct frame_node *frame_node(const struct frame *f, uint32_t node);

/* The next node to start; FRAME_NO_NODE: none. */
uint32_t frame_pop(struct frame *f);
bool frame_has_ready(const struct frame *f);

/* A node that is no branch has ended: takes its outgoing edges. */
void frame_take_all(struct frame *f, uint32_t node);
/* A branch has ended: skips the edges of other handles, then takes those of `handle`. */
void frame_take_handle(struct frame *f, uint32_t node, struct str handle);

/* Stores a variable; v is borrowed, NULL forgets it. A slot SLOT_NONE is passed over: nobody reads it. */
void frame_set(struct frame *f, uint32_t slot, struct value *v);
/* Stores those members of `outputs` (object) that something reads. */
void frame_set_outputs(struct frame *f, const struct node *node, const struct value *outputs);
/* The variable, walked to its end; NULL: not found. Borrowed. */
struct value *frame_get(const struct frame *f, const struct selector *selector);
