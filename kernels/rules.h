/*
 * All rules, for one arithmetic type: see portable.h. Adding a rule to the native side is its
 * header and one line here.
 *
 * Each header defines ws_<rule>_f<bits>, the macros WS_<RULE>_OPTIONS, _SLOTS, _MAX_SLOTS and
 * _SCALARS, and ends with WS_ENTRY(<rule>, <RULE>): who defines that macro beforehand gets an entry
 * point, a table row or whatever else is needed for each rule.
 */
#ifndef WS_ENTRY
#define WS_ENTRY(rule, RULE)
#endif

#include "rules/sgd.h"
#include "rules/momentum.h"
#include "rules/rmsprop.h"
#include "rules/adam.h"
