/*
 * clock: the only place that reads clocks. Deadlines and durations use the monotonic one, display the wall clock.
 * Threads  any.
 */
#pragma once
#include <stdint.h>

int64_t clock_monotonic_us(void);
int64_t clock_monotonic_ms(void);
int64_t clock_wall_us(void); /* Unix time */
int64_t clock_wall_ms(void);
