/*
 * tasks: the runs this gateway has begun, and those that ended a while ago: whose they are, where they run. So a stop finds
 * its executor, and a caller's own run id cannot run twice here.
 * Threads  any; one short lock.
 */
#pragma once
#include "shared/base/status.h"
#include "shared/base/uuid.h"

/* tasks. Remembered after their end (or after their caller left); the oldest go first. 300 bytes each. */
#define TASKS_ENDED_MAX 20000
/* bytes. An executor's address. */
#define TASK_ADDRESS_MAX 120

enum task_state {
    TASK_RUNNING,
    TASK_DETACHED, /* the caller left and the run goes on without him */
    TASK_ENDED
};
struct task {
    char run_id[UUID_TEXT_LEN + 1], app_id[UUID_TEXT_LEN + 1], end_user_id[UUID_TEXT_LEN + 1];
    char address[TASK_ADDRESS_MAX + 1]; /* "" until the executor has begun it */
    enum task_state state;
};

struct tasks;
struct tasks *tasks_new(void); /* NULL: no memory */
void tasks_free(struct tasks *tasks);
/*
 * A run begins.
 * ALREADY_EXISTS       RUN_EXISTS: it runs here, or has run here a while ago
 * RESOURCE_EXHAUSTED   no memory
 */
MUST_CHECK enum status_code tasks_add(struct tasks *tasks, const struct task *task, struct status *err);
/* Where it runs. Longer addresses are not kept. */
void tasks_set_address(struct tasks *tasks, struct str run_id, struct str address);
void tasks_end(struct tasks *tasks, struct str run_id, enum task_state state);
/* It never began: forgets it. */
void tasks_remove(struct tasks *tasks, struct str run_id);
/* A copy; false: not known here. */
MUST_CHECK bool tasks_find(struct tasks *tasks, struct str run_id, struct task *ret);
