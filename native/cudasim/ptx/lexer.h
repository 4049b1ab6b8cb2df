/* PTX text as tokens. */
#ifndef PTX_LEXER_H
#define PTX_LEXER_H

#include <string>

#include "types.h"

namespace ptx {

struct Token {
  enum Kind {
    WORD,    /* names, registers, labels, directives; an opcode with all its suffixes */
    INTEGER, /* bits: the value */
    FLOAT32, /* bits: of 0f... */
    FLOAT64, /* bits: of 0d... or of a decimal */
    STRING,
    MARK, /* one character */
    END
  };
  Kind kind = END;
  int line = 0;
  std::string text;
  uint64_t bits = 0;

  bool is(const char *expected) const {
    return (kind == WORD || kind == MARK) && text == expected;
  }
};

/* Reads one token ahead. */
class Lexer {
 public:
  explicit Lexer(const std::string &text);

  const Token &peek() const { return ahead_; }
  Token next();
  /* Takes the token if it is this one. */
  bool accept(const char *text);
  void expect(const char *text);
  Token word(const char *what);
  /* An integer with its sign. */
  int64_t integer(const char *what);
  [[noreturn]] void fail(const std::string &what) const { throw Error(ahead_.line, what); }

 private:
  Token read();
  void skip_blanks();
  Token number(Token token);

  const std::string &text_;
  size_t at_ = 0;
  int line_ = 1;
  Token ahead_;
};

}  // namespace ptx

#endif
