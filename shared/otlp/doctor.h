/*
 * doctor: does the collector of traces answer?
 * Threads  the main thread, before anything else runs.
 */
#pragma once
#include "shared/otlp/exporter.h"

/* Sends an empty request and prints a line as doctor_line() does. Nothing where there is no endpoint. Returns 1 for a failure. */
int otlp_doctor(const struct otlp_options *options);
