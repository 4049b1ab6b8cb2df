/* What stands within an entry's braces. */
#include <cctype>
#include <cstdlib>

#include "parser.h"

namespace ptx {

void Parser::body() {
  scopes_.assign(1, Scope());
  while (!scopes_.empty()) {
    if (lexer_.peek().kind == Token::END) lexer_.fail("entry " + entry_->name + " has no end");
    if (lexer_.accept("{")) {
      scopes_.push_back(Scope());
    } else if (lexer_.accept("}")) {
      scopes_.pop_back();
    } else if (lexer_.accept(".reg")) {
      registers();
    } else if (lexer_.accept(".shared")) {
      variable(Space::SHARED, false, true);
    } else if (lexer_.accept(".local")) {
      variable(Space::LOCAL, false, true);
    } else if (!debugging()) {
      statement();
    }
  }
}

void Parser::registers() {
  const Token kind = lexer_.word("a register's type");
  const Type type = kind.text[0] == '.' ? type_named(kind.text.substr(1)) : Type::NONE;
  if (type == Type::NONE) throw Error(kind.line, "'" + kind.text + "' is no register's type");
  do {
    const Token name = lexer_.word("a register");
    int count = -1;
    if (lexer_.accept("<")) {
      count = (int)lexer_.integer("a count of registers");
      lexer_.expect(">");
      if (count < 1 || count > 1 << 20) throw Error(name.line, "a count of registers is wrong");
    }
    const Registers range = {(int)entry_->registers.size(), count};
    if (!scopes_.back().emplace(name.text, range).second) {
      throw Error(name.line, "register " + name.text + " is there twice");
    }
    for (int i = 0; i < (count < 0 ? 1 : count); i++) {
      entry_->registers.push_back(type);
      entry_->register_names.push_back(count < 0 ? name.text : name.text + std::to_string(i));
    }
  } while (lexer_.accept(","));
  lexer_.expect(";");
}

int Parser::find_register(const std::string &name) const {
  size_t digits = name.size();
  while (digits > 0 && std::isdigit((unsigned char)name[digits - 1])) digits--;
  const std::string prefix = name.substr(0, digits);
  const int index = digits < name.size() ? std::atoi(name.c_str() + digits) : -1;
  for (size_t i = scopes_.size(); i-- > 0;) {
    auto found = scopes_[i].find(name);
    if (found != scopes_[i].end() && found->second.count < 0) return found->second.first;
    if (index < 0) continue;
    found = scopes_[i].find(prefix);
    if (found != scopes_[i].end() && index < found->second.count) {
      return found->second.first + index;
    }
  }
  return -1;
}

void Parser::statement() {
  Statement statement;
  statement.line = lexer_.peek().line;
  if (lexer_.accept("@")) {
    statement.guard_negated = lexer_.accept("!");
    const Token name = lexer_.word("a predicate");
    statement.guard = find_register(name.text);
    if (statement.guard < 0 || entry_->registers[(size_t)statement.guard] != Type::PRED) {
      throw Error(name.line, "'" + name.text + "' is no predicate");
    }
  }
  const Token word = lexer_.word("an instruction");
  if (statement.guard < 0 && lexer_.accept(":")) {
    if (!entry_->labels.emplace(word.text, entry_->statements.size()).second) {
      throw Error(word.line, "label " + word.text + " is there twice");
    }
    return;
  }
  if (word.text[0] == '.') throw Error(word.line, "'" + word.text + "' is not known in an entry");
  statement.line = word.line;
  size_t at = 0;
  for (;;) {
    const size_t dot = word.text.find('.', at);
    const std::string part = word.text.substr(at, dot == std::string::npos ? dot : dot - at);
    if (at == 0) {
      statement.opcode = part;
    } else {
      statement.suffixes.push_back(part);
    }
    if (dot == std::string::npos) break;
    at = dot + 1;
  }
  if (!lexer_.accept(";")) {
    do {
      statement.operands.push_back(operand());
    } while (lexer_.accept(","));
    lexer_.expect(";");
  }
  entry_->statements.push_back(std::move(statement));
}

Operand Parser::operand() {
  Operand operand;
  if (lexer_.accept("[")) return address();
  if (lexer_.accept("{")) {
    operand.kind = Operand::VECTOR;
    do {
      operand.parts.push_back(this->operand());
    } while (lexer_.accept(","));
    lexer_.expect("}");
    return operand;
  }
  if (lexer_.accept("!")) {
    operand = named(lexer_.word("a predicate"));
    operand.negated = true;
    return operand;
  }
  if (lexer_.peek().kind == Token::WORD) {
    operand = named(lexer_.next());
    if (lexer_.accept("|")) {
      const Token second = lexer_.word("a predicate");
      operand.second = second.text == "_" ? -1 : find_register(second.text);
      if (second.text != "_" && operand.second < 0) {
        throw Error(second.line, "'" + second.text + "' is not declared");
      }
    }
    return operand;
  }
  return immediate();
}

/* A register, a special register, a variable or a label. */
Operand Parser::named(const Token &token) {
  Operand operand;
  if (token.text == "_") return operand;
  operand.name = token.text;
  operand.reg = find_register(token.text);
  if (operand.reg >= 0) {
    operand.kind = Operand::REGISTER;
  } else if ((operand.symbol = find_symbol(token.text)) != nullptr) {
    operand.kind = Operand::SYMBOL;
    if (lexer_.accept("+")) operand.offset = lexer_.integer("an offset");
  } else if (token.text[0] == '%') {
    operand.kind = Operand::SPECIAL;
  } else if (token.text == "WARP_SZ") {
    operand.kind = Operand::IMMEDIATE;
    operand.literal = Type::S64;
    operand.bits = 32;
  } else {
    operand.kind = Operand::LABEL;
  }
  return operand;
}

Operand Parser::address() {
  Operand operand;
  operand.kind = Operand::ADDRESS;
  if (lexer_.peek().kind == Token::WORD) {
    const Token base = lexer_.next();
    operand.reg = find_register(base.text);
    if (operand.reg < 0) operand.symbol = find_symbol(base.text);
    if (operand.reg < 0 && !operand.symbol) {
      throw Error(base.line, "'" + base.text + "' is not declared");
    }
    if (lexer_.accept("+")) {
      operand.offset = lexer_.integer("an offset");
    } else if (lexer_.peek().is("-")) {
      operand.offset = lexer_.integer("an offset");
    }
  } else {
    operand.offset = lexer_.integer("an address");
  }
  lexer_.expect("]");
  return operand;
}

Operand Parser::immediate() {
  Operand operand;
  operand.kind = Operand::IMMEDIATE;
  const bool negative = lexer_.accept("-");
  const Token token = lexer_.next();
  operand.bits = token.bits;
  switch (token.kind) {
    case Token::INTEGER:
      operand.literal = Type::S64;
      if (negative) operand.bits = 0 - token.bits;
      return operand;
    case Token::FLOAT32:
      operand.literal = Type::F32;
      if (negative) operand.bits ^= 1ull << 31;
      return operand;
    case Token::FLOAT64:
      operand.literal = Type::F64;
      if (negative) operand.bits ^= 1ull << 63;
      return operand;
    default: throw Error(token.line, "'" + token.text + "' is no operand");
  }
}

}  // namespace ptx
