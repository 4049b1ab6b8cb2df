#include "lexer.h"

#include <cctype>
#include <cstdlib>
#include <cstring>

namespace ptx {

namespace {
bool begins_word(char c) { return std::isalpha((unsigned char)c) || std::strchr("_$%.", c); }
bool continues_word(char c) { return std::isalnum((unsigned char)c) || std::strchr("_$.", c); }

struct Named {
  Type type;
  const char *name;
};
const Named TYPES[] = {
    {Type::PRED, "pred"}, {Type::B8, "b8"},   {Type::B16, "b16"}, {Type::B32, "b32"},
    {Type::B64, "b64"},   {Type::U8, "u8"},   {Type::U16, "u16"}, {Type::U32, "u32"},
    {Type::U64, "u64"},   {Type::S8, "s8"},   {Type::S16, "s16"}, {Type::S32, "s32"},
    {Type::S64, "s64"},   {Type::F16, "f16"}, {Type::F32, "f32"}, {Type::F64, "f64"},
    {Type::BF16, "bf16"}};
}  // namespace

Type type_named(const std::string &name) {
  for (const Named &one : TYPES) {
    if (name == one.name) return one.type;
  }
  return Type::NONE;
}

const char *name_of(Type type) {
  for (const Named &one : TYPES) {
    if (type == one.type) return one.name;
  }
  return "none";
}

Lexer::Lexer(const std::string &text) : text_(text) { ahead_ = read(); }

Token Lexer::next() {
  Token token = ahead_;
  ahead_ = read();
  return token;
}

bool Lexer::accept(const char *text) {
  if (!ahead_.is(text)) return false;
  next();
  return true;
}

void Lexer::expect(const char *text) {
  if (!accept(text)) {
    fail("'" + std::string(text) + "' is expected where '" + ahead_.text + "' stands");
  }
}

Token Lexer::word(const char *what) {
  if (ahead_.kind != Token::WORD) {
    fail(std::string(what) + " is expected where '" + ahead_.text + "' stands");
  }
  return next();
}

int64_t Lexer::integer(const char *what) {
  const bool negative = accept("-");
  if (ahead_.kind != Token::INTEGER) {
    fail(std::string(what) + " is expected where '" + ahead_.text + "' stands");
  }
  const int64_t value = (int64_t)next().bits;
  return negative ? (int64_t)(0 - (uint64_t)value) : value;
}

void Lexer::skip_blanks() {
  while (at_ < text_.size()) {
    const char c = text_[at_];
    if (c == '\n') {
      line_++;
      at_++;
    } else if (std::isspace((unsigned char)c)) {
      at_++;
    } else if (text_.compare(at_, 2, "//") == 0) {
      while (at_ < text_.size() && text_[at_] != '\n') at_++;
    } else if (text_.compare(at_, 2, "/*") == 0) {
      const size_t end = text_.find("*/", at_ + 2);
      if (end == std::string::npos) throw Error(line_, "a comment has no end");
      for (; at_ < end + 2; at_++) line_ += text_[at_] == '\n';
    } else {
      return;
    }
  }
}

Token Lexer::read() {
  skip_blanks();
  Token token;
  token.line = line_;
  if (at_ >= text_.size()) return token;
  const char c = text_[at_];
  const size_t from = at_;
  if (std::isdigit((unsigned char)c)) return number(token);
  if (c == '"') {
    const size_t end = text_.find('"', at_ + 1);
    if (end == std::string::npos) throw Error(line_, "a string has no end");
    token.kind = Token::STRING;
    token.text = text_.substr(at_ + 1, end - at_ - 1);
    at_ = end + 1;
    return token;
  }
  if (begins_word(c)) {
    at_++;
    while (at_ < text_.size()) {
      /* Suffixes such as .L1::no_allocate have two colons, labels end in one. */
      if (text_.compare(at_, 2, "::") == 0) {
        at_ += 2;
      } else if (continues_word(text_[at_])) {
        at_++;
      } else {
        break;
      }
    }
    token.kind = Token::WORD;
  } else {
    at_++;
    token.kind = Token::MARK;
  }
  token.text = text_.substr(from, at_ - from);
  return token;
}

Token Lexer::number(Token token) {
  const size_t from = at_;
  const char *start = text_.c_str() + from;
  const char second = from + 1 < text_.size() ? text_[from + 1] : ' ';
  char *end = nullptr;
  if (start[0] == '0' && std::strchr("fFdD", second) && second) {
    const bool wide = second == 'd' || second == 'D';
    const size_t digits = wide ? 16 : 8;
    const std::string hex = text_.substr(from + 2, digits);
    token.bits = std::strtoull(hex.c_str(), &end, 16);
    if (*end || hex.size() != digits) throw Error(line_, "'" + hex + "' is no floating-point bits");
    token.kind = wide ? Token::FLOAT64 : Token::FLOAT32;
    at_ += 2 + digits;
  } else {
    at_++;
    while (at_ < text_.size() && (std::isalnum((unsigned char)text_[at_]) || text_[at_] == '.')) {
      at_++;
    }
    std::string digits = text_.substr(from, at_ - from);
    token.text = digits;
    if (digits.find('.') != std::string::npos) {
      const double value = std::strtod(digits.c_str(), &end);
      std::memcpy(&token.bits, &value, sizeof value);
      token.kind = Token::FLOAT64;
    } else {
      if (digits.back() == 'U' || digits.back() == 'u') digits.pop_back();
      const bool binary = digits.size() > 2 && (digits[1] == 'b' || digits[1] == 'B');
      token.bits = binary ? std::strtoull(digits.c_str() + 2, &end, 2)
                          : std::strtoull(digits.c_str(), &end, 0);
      token.kind = Token::INTEGER;
    }
    if (*end) throw Error(line_, "'" + digits + "' is no number");
  }
  token.text = text_.substr(from, at_ - from);
  return token;
}

}  // namespace ptx
