/*
 * player_log: the lines of a player's log. For player.c alone.
 */
#pragma once
#include "tests/executor/player/player.h"

/* Adds the event's line, and notes what player.h has of the last ones. */
void player_log(struct player *p, const struct run_event *event);
