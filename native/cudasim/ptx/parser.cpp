/* Modules, variables and entries; parser_body.cpp has what stands within an entry's braces. */
#include "parser.h"

#include <cstring>

namespace ptx {

std::string Statement::name() const {
  std::string whole = opcode;
  for (const std::string &suffix : suffixes) whole += "." + suffix;
  return whole;
}

std::unique_ptr<Module> parse(const std::string &text) { return Parser(text).parse(); }

std::unique_ptr<Module> Parser::parse() {
  while (lexer_.peek().kind != Token::END) module_item();
  if (module_->version.empty()) throw Error(1, "the module has no .version");
  if (module_->entries.empty()) throw Error(1, "the module has no entry");
  place_shared();
  return std::move(module_);
}

/* Shared variables of the module come before those of an entry, in every entry. */
void Parser::place_shared() {
  uint64_t end = 0;
  for (const auto &symbol : module_->symbols) {
    if (symbol->space == Space::SHARED && !symbol->dynamic) place(*symbol, &end);
  }
  if (end == 0) return;
  end = (end + 127) / 128 * 128;
  for (const auto &entry : module_->entries) {
    for (const auto &symbol : entry->symbols) {
      if (symbol->space == Space::SHARED) symbol->address += end;
    }
    entry->shared_bytes += end;
  }
}

void Parser::module_item() {
  if (lexer_.accept(".version")) {
    module_->version = lexer_.next().text;
    return;
  }
  if (module_->version.empty()) lexer_.fail("the module has no .version before '" +
                                            lexer_.peek().text + "'");
  if (lexer_.accept(".target")) {
    do {
      lexer_.word("a target");
    } while (lexer_.accept(","));
    return;
  }
  if (lexer_.accept(".address_size")) {
    if (lexer_.integer("an address size") != 64) lexer_.fail(".address_size must be 64");
    return;
  }
  if (debugging()) return;
  bool external = false;
  for (;;) {
    if (lexer_.accept(".extern")) {
      external = true;
    } else if (!lexer_.accept(".visible") && !lexer_.accept(".weak")) {
      break;
    }
  }
  if (lexer_.accept(".entry")) {
    entry();
  } else if (lexer_.accept(".global")) {
    variable(Space::GLOBAL, external, false);
  } else if (lexer_.accept(".const")) {
    variable(Space::CONST, external, false);
  } else if (lexer_.accept(".shared")) {
    variable(Space::SHARED, external, false);
  } else {
    lexer_.fail("'" + lexer_.peek().text + "' is not known in a module");
  }
}

/* What says nothing of the computation. */
bool Parser::debugging() {
  if (lexer_.accept(".file")) {
    lexer_.integer("a file's number");
    if (lexer_.next().kind != Token::STRING) lexer_.fail(".file has no name");
    while (lexer_.accept(",")) lexer_.integer("a number");
    return true;
  }
  if (lexer_.accept(".loc")) {
    for (int i = 0; i < 3; i++) lexer_.integer("a place");
    while (lexer_.accept(",")) {
      const Token what = lexer_.word("function_name or inlined_at");
      if (what.text == "function_name") {
        lexer_.word("a label");
        if (lexer_.accept("+")) lexer_.integer("an offset");
      } else {
        for (int i = 0; i < 3; i++) lexer_.integer("a place");
      }
    }
    return true;
  }
  if (lexer_.accept(".pragma")) {
    do {
      lexer_.next();
    } while (lexer_.accept(","));
    lexer_.expect(";");
    return true;
  }
  return false;
}

void Parser::entry() {
  const Token name = lexer_.word("an entry's name");
  for (const auto &other : module_->entries) {
    if (other->name == name.text) throw Error(name.line, "entry " + name.text + " is there twice");
  }
  module_->entries.emplace_back(new Entry());
  entry_ = module_->entries.back().get();
  entry_->name = name.text;
  entry_->line = name.line;
  entry_names_.clear();
  if (lexer_.accept("(")) parameters();
  entry_directives();
  lexer_.expect("{");
  body();
  entry_ = nullptr;
}

void Parser::parameters() {
  if (lexer_.accept(")")) return;
  do {
    lexer_.expect(".param");
    variable(Space::PARAM, false, true);
    entry_->parameters.push_back(entry_->symbols.back().get());
  } while (lexer_.accept(","));
  lexer_.expect(")");
}

void Parser::dimensions(unsigned *to) {
  for (int i = 0; i < 3; i++) to[i] = 1;
  int i = 0;
  do {
    if (i == 3) lexer_.fail("more than three dimensions");
    to[i++] = (unsigned)lexer_.integer("a count of threads");
  } while (lexer_.accept(","));
}

void Parser::entry_directives() {
  for (;;) {
    if (lexer_.accept(".maxntid")) {
      dimensions(entry_->most_threads);
    } else if (lexer_.accept(".reqntid")) {
      dimensions(entry_->exact_threads);
    } else if (lexer_.accept(".minnctapersm") || lexer_.accept(".maxnreg") ||
               lexer_.accept(".maxnctapersm")) {
      lexer_.integer("a count");
    } else if (!debugging()) {
      return;
    }
  }
}

/* Variables of shared and local memory are aligned no better than they ask, as an assembler may do. */
void Parser::place(Symbol &symbol, uint64_t *end) {
  symbol.address = (*end + symbol.alignment - 1) / symbol.alignment * symbol.alignment;
  const bool is_free = symbol.space == Space::SHARED || symbol.space == Space::LOCAL;
  if (is_free && symbol.address / symbol.alignment % 2 == 0) symbol.address += symbol.alignment;
  *end = symbol.address + symbol.bytes;
}

/* From the type on: .param and .shared variables come through here too. */
void Parser::variable(Space space, bool external, bool in_entry) {
  std::unique_ptr<Symbol> symbol(new Symbol());
  symbol->space = space;
  bool aligned = false;
  unsigned lanes = 1;
  Type type = Type::NONE;
  while (lexer_.peek().kind == Token::WORD && lexer_.peek().text[0] == '.') {
    const Token word = lexer_.next();
    if (word.text == ".align") {
      symbol->alignment = (uint64_t)lexer_.integer("an alignment");
      aligned = true;
    } else if (word.text == ".v2" || word.text == ".v4") {
      lanes = word.text == ".v2" ? 2 : 4;
    } else if (word.text == ".ptr" || word.text == ".global" || word.text == ".shared" ||
               word.text == ".const" || word.text == ".local") {
      if (space != Space::PARAM) throw Error(word.line, "'" + word.text + "' is not known here");
      /* What a pointer that is a parameter points to; nothing follows from it. */
      if (lexer_.accept(".align")) lexer_.integer("an alignment");
    } else {
      type = type_named(word.text.substr(1));
      if (bytes_of(type) == 0) throw Error(word.line, "'" + word.text + "' is no variable's type");
    }
  }
  if (type == Type::NONE) lexer_.fail("a variable has no type");
  const unsigned element = bytes_of(type) * lanes;
  if (!aligned) symbol->alignment = element;
  if (symbol->alignment == 0 || (symbol->alignment & (symbol->alignment - 1)) != 0) {
    lexer_.fail("an alignment is no power of two");
  }
  const Token name = lexer_.word("a variable's name");
  symbol->name = name.text;
  symbol->bytes = element;
  while (lexer_.accept("[")) {
    if (lexer_.accept("]")) {
      if (!external || space != Space::SHARED) throw Error(name.line, name.text + " has no size");
      symbol->dynamic = true;
      symbol->bytes = 0;
    } else {
      symbol->bytes *= (uint64_t)lexer_.integer("a size");
      lexer_.expect("]");
    }
  }
  if (external && !symbol->dynamic) {
    throw Error(name.line, "external variables are not known, but shared ones without a size");
  }
  if (lexer_.accept("=")) initial(*symbol, type);
  if (space != Space::PARAM) lexer_.expect(";");
  auto &names = in_entry ? entry_names_ : module_names_;
  if (!names.emplace(name.text, symbol.get()).second) {
    throw Error(name.line, name.text + " is there twice");
  }
  if (in_entry && !symbol->dynamic) {
    place(*symbol, space == Space::PARAM    ? &entry_->parameter_bytes
                   : space == Space::SHARED ? &entry_->shared_bytes
                                            : &entry_->local_bytes);
  }
  (in_entry ? entry_->symbols : module_->symbols).push_back(std::move(symbol));
}

uint64_t Parser::literal(Type type) {
  const bool negative = lexer_.accept("-");
  const Token token = lexer_.next();
  if (token.kind == Token::INTEGER) return negative ? 0 - token.bits : token.bits;
  if (token.kind == Token::FLOAT32 && type == Type::F32) return token.bits;
  if (token.kind == Token::FLOAT64 && type == Type::F64) {
    return negative ? token.bits ^ (1ull << 63) : token.bits;
  }
  throw Error(token.line, "'" + token.text + "' is no value of type " + name_of(type));
}

void Parser::initial(Symbol &symbol, Type type) {
  if (symbol.space != Space::GLOBAL && symbol.space != Space::CONST) {
    lexer_.fail("only variables in .global and .const have initial values");
  }
  symbol.initial.assign(symbol.bytes, 0);
  const unsigned size = bytes_of(type);
  uint64_t at = 0;
  int depth = 0;
  do {
    while (lexer_.accept("{")) depth++;
    if (at + size > symbol.bytes) lexer_.fail(symbol.name + " has more values than room");
    const uint64_t bits = literal(type);
    std::memcpy(symbol.initial.data() + at, &bits, size);
    at += size;
    while (depth > 0 && lexer_.accept("}")) depth--;
  } while (lexer_.accept(","));
  if (depth != 0) lexer_.fail("a list of values has no end");
}

const Symbol *Parser::find_symbol(const std::string &name) const {
  auto found = entry_names_.find(name);
  if (found != entry_names_.end()) return found->second;
  found = module_names_.find(name);
  return found == module_names_.end() ? nullptr : found->second;
}

}  // namespace ptx
