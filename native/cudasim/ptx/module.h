/* A module as it is written: its variables, entries and their statements, with names resolved. */
#ifndef PTX_MODULE_H
#define PTX_MODULE_H

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "types.h"

namespace ptx {

struct Symbol {
  std::string name;
  Space space = Space::GLOBAL;
  uint64_t bytes = 0;
  uint64_t alignment = 1;
  uint64_t address = 0;          /* of its space; for module variables set when they have memory */
  std::vector<uint8_t> initial;  /* empty, or all of its bytes */
  bool dynamic = false;          /* extern shared memory, whose size a launch says */
};

struct Operand {
  enum Kind { REGISTER, IMMEDIATE, SPECIAL, SYMBOL, ADDRESS, VECTOR, LABEL, SINK };
  Kind kind = SINK;
  int reg = -1;           /* REGISTER; of an ADDRESS its base or -1 */
  int second = -1;        /* the predicate of %r1|%p1 */
  bool negated = false;   /* !%p1 */
  const Symbol *symbol = nullptr; /* SYMBOL; of an ADDRESS its base or null */
  Type literal = Type::NONE; /* of an IMMEDIATE: S64, F32 or F64 */
  uint64_t bits = 0;
  int64_t offset = 0;
  std::string name; /* SPECIAL, LABEL */
  std::vector<Operand> parts; /* VECTOR */
};

struct Statement {
  int line = 0;
  int guard = -1;
  bool guard_negated = false;
  std::string opcode; /* before the first dot */
  std::vector<std::string> suffixes;
  std::vector<Operand> operands;

  std::string name() const;
};

struct Entry {
  std::string name;
  int line = 0;
  std::vector<std::unique_ptr<Symbol>> symbols;
  std::vector<const Symbol *> parameters;
  std::vector<Type> registers;
  std::vector<std::string> register_names;
  std::vector<Statement> statements;
  std::map<std::string, size_t> labels; /* index of the statement that follows */
  uint64_t parameter_bytes = 0;
  uint64_t shared_bytes = 0; /* without dynamic */
  uint64_t local_bytes = 0;  /* of a thread */
  bool has_dynamic_shared = false;
  unsigned most_threads[3] = {0, 0, 0}; /* .maxntid, 0 if not said */
  unsigned exact_threads[3] = {0, 0, 0}; /* .reqntid */
};

struct Module {
  std::string version;
  std::vector<std::unique_ptr<Symbol>> symbols;
  std::vector<std::unique_ptr<Entry>> entries;
};

/* Throws Error. */
std::unique_ptr<Module> parse(const std::string &text);

}  // namespace ptx

#endif
