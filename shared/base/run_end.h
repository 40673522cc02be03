/*
 * run_end: words for how and why a run has ended, the same in metrics and logs of both processes: those of heddle.v1.RunStatus
 * and EndReason in lower case, without their prefix ("partial_succeeded", "caller_gone").
 */
#pragma once

/* By the numbers of the enums; "unknown" for 0 and for what is none. Static. */
const char *run_status_word(int status);
const char *end_reason_word(int reason);
