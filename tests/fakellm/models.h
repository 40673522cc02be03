#ifndef FAKELLM_MODELS_H
#define FAKELLM_MODELS_H

#include "protocol.h"
#include "script.h"

/* models: the list of models, as each API shows it: "fake-model", and those the script's rules name. */
void models_put(const struct script *script, enum protocol protocol, struct text *out);

#endif
