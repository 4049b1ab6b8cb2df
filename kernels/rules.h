/*
 * All rules, for one arithmetic type: see portable.h. Adding a rule to the native side is its
 * header and one line here.
 *
 * Each header defines ws_<rule>_f<bits> and ends with WS_ENTRY(<rule>, <RULE>): who defines that
 * macro beforehand gets an entry point, a table row or whatever else is needed for each rule. For
 * each set of options, from 0, its comment says how many operations an element takes; a test counts
 * them in the PTX. It also defines the macros
 *
 *   WS_<RULE>_OPTIONS          count of option sets
 *   WS_<RULE>_SLOTS(options)   count of state slots
 *   WS_<RULE>_MAX_SLOTS        the most of them, WS_MAX_OPERANDS - 2 at most
 *   WS_<RULE>_SCALARS          count of scalars of a step, WS_MAX_SCALARS at most
 *   WS_<RULE>_BLOCKS           of float32 and float64, how many blocks must fit a CUDA
 *                              multiprocessor at least: 2. Or 0, which leaves the choice to the
 *                              assembler. It then may need fewer registers, and some releases spill
 *                              a few to fit one more block, which PtxTest finds. WS_BITS is 32 or 64
 *                              where it is used. For 16-bit types it is 3, or 2 for a rule with 1,
 *                              which spills with 3, where such types have an entry, and more where
 *                              mixed.cu serves them, which says how many.
 *
 * A rule that first adds something up over each tensor ends with WS_SUMS_ENTRY(<rule>, <RULE>) instead
 * and has four functions: ws_<rule>_terms, what is added up for an element; ws_<rule>_advance, by
 * which state moves before; ws_<rule>_numbers, what the sums of a tensor give; and the update, whose
 * scalars the numbers follow. It also defines
 *
 *   WS_<RULE>_SUMS             how many sums there are, WS_MAX_SUMS at most
 *   WS_<RULE>_KIND(sum)        what each adds up, WS_SUM_...: a norm if that is squares
 *   WS_<RULE>_NUMBERS          how many numbers a tensor has, WS_MAX_NUMBERS at most
 *   WS_<RULE>_KEPT             count of state slots that hold one value for a tensor
 *   WS_<RULE>_SUM_READS, _SUM_WRITES, _READS, _WRITES
 *                              the operands that the first phase and the update use, see portable.h
 *
 * A rule with a matrix phase in between has the same, but ends with WS_MATRIX_ENTRY(<rule>, <RULE>): its
 * only term is the slot that goes through the phase, and its first number what that is divided by.
 *
 * One that adds up over all tensors of a group together ends with WS_GROUP_SUMS_ENTRY(<rule>, <RULE>). The
 * state of one value is the group's then, and so are the numbers. It has another function, ws_<rule>_begin,
 * by which numbers follow from that state that its first phase has after the scalars, and defines
 *
 *   WS_<RULE>_FIRST            how many these are
 *
 * One whose sums and numbers are those of a rule before it, with the same scalars for them, ends with
 * WS_SHARED_SUMS_ENTRY(<rule>, <RULE>): CUDA has the entries of that one for both.
 *
 * One whose first slot is kept as factors of the rows and columns of matrices ends with
 * WS_FACTORED_ENTRY(<rule>, <RULE>). That slot is its only one; its first phase moves it for vectors
 * alone. For matrices its functions have WS_INVERSE for options and instead of the slot the inverse root
 * of its squares, what gradients are multiplied by. Its first scalar is what a step takes of the new
 * squares, its second the least that a mean of rows and a root count as, 0 for the type's epsilon: see
 * factors.cu and factors.cl.
 *
 * A pass of the optimizer's own, which is no rule and has no gradients, ends with
 * WS_PASS_ENTRY(<pass>, <PASS>). It defines the macros of a rule, and _READS and _WRITES.
 */
#ifndef WS_ENTRY
#define WS_ENTRY(rule, RULE)
#endif
#ifndef WS_SUMS_ENTRY
#define WS_SUMS_ENTRY(rule, RULE)
#endif
#ifndef WS_GROUP_SUMS_ENTRY
#define WS_GROUP_SUMS_ENTRY(rule, RULE)
#endif
#ifndef WS_SHARED_SUMS_ENTRY
#define WS_SHARED_SUMS_ENTRY(rule, RULE)
#endif
#ifndef WS_PASS_ENTRY
#define WS_PASS_ENTRY(pass, PASS)
#endif
#ifndef WS_FACTORED_ENTRY
#define WS_FACTORED_ENTRY(rule, RULE)
#endif
#ifndef WS_MATRIX_ENTRY
#define WS_MATRIX_ENTRY(rule, RULE)
#endif

#include "rules/sgd.h"
#include "rules/momentum.h"
#include "rules/rmsprop.h"
#include "rules/adam.h"
#include "rules/lion.h"
#include "rules/adagrad.h"
#include "rules/adadelta.h"
#include "rules/adamax.h"
#include "rules/nadamw.h"
#include "rules/radam.h"
#include "rules/adabelief.h"
#include "rules/rprop.h"
#include "rules/ademamix.h"
#include "rules/adan.h"
#include "rules/nadam.h"
#include "rules/asgd.h"
#include "rules/lamb.h"
#include "rules/lars.h"
#include "rules/novograd.h"
#include "rules/stableadamw.h"
#include "rules/adafactor.h"
#include "rules/muon.h"
#include "rules/prodigy.h"
#include "rules/schedulefreesgd.h"
#include "rules/schedulefreeadamw.h"
#include "rules/adam_cautious.h"
#include "rules/lion_cautious.h"
#include "rules/interpolation.h"
#include "rules/lookahead.h"
