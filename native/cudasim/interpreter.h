/*
 * Between the driver and the interpreter of PTX in ptx/, which runs the text that a module was
 * loaded from where CUDASIM_RUN=ptx is set.
 */
#ifndef CUDASIM_INTERPRETER_H
#define CUDASIM_INTERPRETER_H

#include <string>
#include <vector>

#include "driver_api.h"
#include "ptx/ptx.h"

/* What is known of device memory: see ptx/shadow.h. */
struct Shadow {
  unsigned char *defined = nullptr;
  ptx::Access *writers = nullptr;
  ptx::Access *readers = nullptr;
};

/* Whether CUDASIM_RUN says ptx; source, or nothing, means the kernels' source. */
bool interprets_ptx();
/* Whether it says something else. */
bool run_is_unknown();

Shadow new_shadow(size_t bytes);
void delete_shadow(Shadow &shadow);

/* --- memory.cpp: what a copy or a fill wrote, and all that a kernel may access */
void written(CUdeviceptr address, size_t bytes);
void copied(CUdeviceptr to, CUdeviceptr from, size_t bytes);
std::vector<ptx::Region> regions_of_memory();

/*
 * The text to run for a module: where the folder of CUDASIM_PTX_DIR has a file named like its first
 * entry, with .ptx, that file's; where it has one with .line, which is a number and a text, the
 * module's own with that text as that line. So a changed kernel can be tried with the program as it
 * is, and a changed line also where the program puts constants in the module.
 */
std::string text_to_run(const std::string &text);

/* Runs it now; prints and counts what it did wrong. After a fatal fault the context is lost. */
void run_ptx(const ptx::Loaded &module, ptx::Launch &launch);

/* Instructions run so far, one for each thread, and the processors' nanoseconds that took. */
long long ptx_instructions();
long long ptx_nanoseconds();
/* The same for each entry, on stderr. */
void report_ptx();
/* What was wrong last: 1 + ptx::Fault, times 100000, and the line; 0 if nothing was. */
long long last_fault();

#endif
