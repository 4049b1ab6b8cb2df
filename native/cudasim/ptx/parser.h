/* The parser of a module; what the parts of its source share. */
#ifndef PTX_PARSER_H
#define PTX_PARSER_H

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "lexer.h"
#include "module.h"

namespace ptx {

class Parser {
 public:
  explicit Parser(const std::string &text) : lexer_(text), module_(new Module()) {}
  std::unique_ptr<Module> parse();

 private:
  struct Registers {
    int first;
    int count; /* -1: one, named as it is */
  };
  typedef std::map<std::string, Registers> Scope;

  void module_item();
  void place_shared();
  void entry();
  void parameters();
  void entry_directives();
  void body();
  void registers();
  void statement();
  bool debugging();
  void dimensions(unsigned *to);
  void variable(Space space, bool external, bool in_entry);
  void initial(Symbol &symbol, Type type);
  uint64_t literal(Type type);
  void place(Symbol &symbol, uint64_t *end);
  Operand operand();
  Operand named(const Token &token);
  Operand address();
  Operand immediate();
  int find_register(const std::string &name) const;
  const Symbol *find_symbol(const std::string &name) const;

  Lexer lexer_;
  std::unique_ptr<Module> module_;
  Entry *entry_ = nullptr;
  std::vector<Scope> scopes_;
  std::map<std::string, const Symbol *> module_names_, entry_names_;
};

}  // namespace ptx

#endif
