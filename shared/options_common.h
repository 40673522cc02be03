/*
 * options_common: rows of the option tables that gateway and executor share. `type` is the program's config struct.
 */
#pragma once
#include "shared/base/log.h"
#include "shared/base/options.h"
#include <stddef.h>

/* clang-format off */
#define OPTION_STORE(type) \
    { .name = "store", .kind = OPTION_TEXT, .offset = offsetof(type, store), .fallback = "sqlite:heddle.db", \
      .help = "where apps, keys and credentials are kept: sqlite:PATH; shared by gateway and executor of one machine." }
#define OPTION_MASTER_KEY(type) \
    { .name = "master_key", .kind = OPTION_SECRET, .offset = offsetof(type, master_key), \
      .help = "seals credentials and secret variables: 32 bytes as base64, or keyid:base64; several with commas: the first seals, all open." }
#define OPTION_EXECUTOR_TOKEN(type) \
    { .name = "executor_token", .kind = OPTION_SECRET, .offset = offsetof(type, executor_token), \
      .help = "secret that gateways show to executors; required when they talk over TCP." }
#define OPTION_INSECURE(type) \
    { .name = "insecure", .kind = OPTION_BOOL, .offset = offsetof(type, insecure), .fallback = "no", \
      .help = "no warning about an address that others can reach without TLS." }
#define OPTION_RPC_THREADS(type) \
    { .name = "rpc_threads", .kind = OPTION_INT, .offset = offsetof(type, rpc_threads), .fallback = "0", .min = 0, .max = 64, \
      .help = "threads that serve gRPC; 0: one per four cores, at least one." }
#define OPTION_GRACE_SECONDS(type) \
    { .name = "grace_seconds", .kind = OPTION_INT, .offset = offsetof(type, grace_seconds), .fallback = "30", .min = 0, .max = 86400, \
      .help = "seconds that running runs may go on after SIGTERM, before they are ended." }
#define OPTIONS_OTLP(type) \
    { .name = "otlp_endpoint", .kind = OPTION_TEXT, .offset = offsetof(type, otlp_endpoint), .check = otlp_check_endpoint, \
      .help = "collector that traces are sent to by OTLP/HTTP: http://HOST:4318; none: no traces." }, \
    { .name = "otlp_headers", .kind = OPTION_SECRET, .offset = offsetof(type, otlp_headers), .check = otlp_check_headers, \
      .help = "headers for the collector: name=value, several with commas; %XX stands for a byte." }, \
    { .name = "otlp_sample_ratio", .kind = OPTION_TEXT, .offset = offsetof(type, otlp_sample_ratio), .fallback = "1", \
      .check = otlp_check_ratio, \
      .help = "share of the traces that begin here to be recorded, 0 to 1; callers decide on theirs." }
#define OPTION_HTTP_LISTEN(type, address) \
    { .name = "http_listen", .kind = OPTION_TEXT, .offset = offsetof(type, http_listen), .fallback = (address), \
      .help = "address of /metrics, /healthz and /readyz: host:port or unix:PATH (mode 0600); none: off." }
#define OPTION_LOG_LEVEL(type) \
    { .name = "log_level", .kind = OPTION_CHOICE, .offset = offsetof(type, log_level), .fallback = "info", \
      .choices = "debug|info|warn|error", .help = "least level that is logged." }
#define OPTION_LOG_FORMAT(type) \
    { .name = "log_format", .kind = OPTION_CHOICE, .offset = offsetof(type, log_format), .fallback = "text", \
      .choices = "text|json", .help = "how a line of the log, on standard error, is written." }
/* clang-format on */
