/* Instructions that compute: arithmetic, bits, comparisons, conversions. */
#include "draft.h"

namespace ptx {

namespace {
struct Named {
  const char *name;
  Op op;
  unsigned sources;
};

const Named *find(const Named *list, size_t n, const std::string &name) {
  for (size_t i = 0; i < n; i++) {
    if (name == list[i].name) return &list[i];
  }
  return nullptr;
}
#define FIND(list, name) find(list, sizeof list / sizeof *list, name)

Type wider(Type type) {
  switch (type) {
    case Type::U16: return Type::U32;
    case Type::S16: return Type::S32;
    case Type::U32: return Type::U64;
    case Type::S32: return Type::S64;
    default: return Type::NONE;
  }
}
}  // namespace

bool Decoder::arithmetic(const Statement &s, Suffixes &x, Draft &d) {
  static const Named LIST[] = {
      {"add", Op::ADD, 2},   {"sub", Op::SUB, 2},   {"mul", Op::MUL, 2},
      {"mad", Op::MAD, 3},   {"fma", Op::FMA, 3},   {"div", Op::DIV, 2},
      {"rem", Op::REM, 2},   {"abs", Op::ABS, 1},   {"neg", Op::NEG, 1},
      {"min", Op::MIN, 2},   {"max", Op::MAX, 2},   {"sqrt", Op::SQRT, 1},
      {"rcp", Op::RCP, 1},   {"copysign", Op::COPYSIGN, 2}};
  const Named *named = FIND(LIST, s.opcode);
  if (!named) return false;
  Key &key = d.key;
  key.op = named->op;
  count(s, 1 + named->sources);
  key.round = x.round();
  const bool low = x.take("lo"), high = x.take("hi"), wide = x.take("wide");
  const bool nan = x.take("NaN"), about = x.take("approx"), normal = x.take("ftz");
  key.type = x.type();
  Type result = key.type, third = key.type;
  const bool real = is_float(key.type), product = key.op == Op::MUL || key.op == Op::MAD;
  if (low + high + wide != (product && !real ? 1 : 0)) return false;
  if (high) key.op = key.op == Op::MUL ? Op::MUL_HI : Op::MAD_HI;
  if (wide) {
    key.op = key.op == Op::MUL ? Op::MUL_WIDE : Op::MAD_WIDE;
    result = third = wider(key.type);
    if (result == Type::NONE) return false;
  }
  if (key.op == Op::MAD && real) key.op = Op::FMA;
  if (nan) {
    if (!real || (key.op != Op::MIN && key.op != Op::MAX)) return false;
    key.op = key.op == Op::MIN ? Op::MIN_NAN : Op::MAX_NAN;
  }
  if (about) { /* others are refused */
    key.op = key.op == Op::RCP ? Op::RCP_ABOUT : normal ? Op::SQRT_NORMAL_ABOUT : Op::SQRT_ABOUT;
  }
  if (real) {
    switch (key.op) {
      case Op::ADD: case Op::SUB: case Op::MUL:
        if (key.round == Round::NONE) key.round = Round::NEAREST;
        break;
      case Op::FMA: case Op::DIV: case Op::SQRT: case Op::RCP:
        if (key.round == Round::NONE) return false;
        break;
      default:
        if (key.round != Round::NONE) return false;
        key.round = Round::NEAREST;
    }
  } else {
    if (key.round != Round::NONE) return false;
    key.round = Round::NEAREST;
  }
  d.d[0] = target(s, 0, result);
  for (unsigned i = 0; i < named->sources; i++) {
    d.s[i] = source(s, i + 1, i == 2 ? third : key.type);
  }
  return true;
}

/* A predicate and a constant: the one, its opposite, or a constant. */
bool Decoder::with_constant(const Statement &s, unsigned constant, Draft &d) {
  const bool value = immediate(s, s.operands[constant], Type::B32) != 0;
  if (d.key.op != Op::XOR && value != (d.key.op == Op::AND)) {
    d.key.op = Op::MOV;
    d.key.kind = 1;
    d.instr.offset = value;
    return true;
  }
  d.key.op = d.key.op == Op::XOR && value ? Op::NOT : Op::MOV;
  d.s[0] = source(s, 3 - constant, Type::PRED);
  return true;
}

bool Decoder::bits(const Statement &s, Suffixes &x, Draft &d) {
  static const Named LIST[] = {
      {"and", Op::AND, 2},   {"or", Op::OR, 2},       {"xor", Op::XOR, 2},
      {"not", Op::NOT, 1},   {"cnot", Op::CNOT, 1},   {"shl", Op::SHL, 2},
      {"shr", Op::SHR, 2},   {"shf", Op::SHF, 3},     {"lop3", Op::LOP3, 4},
      {"prmt", Op::PRMT, 3}, {"bfe", Op::BFE, 3},     {"bfi", Op::BFI, 4},
      {"popc", Op::POPC, 1}, {"clz", Op::CLZ, 1},     {"bfind", Op::BFIND, 1},
      {"brev", Op::BREV, 1}};
  const Named *named = FIND(LIST, s.opcode);
  if (!named) return false;
  Key &key = d.key;
  key.op = named->op;
  count(s, 1 + named->sources);
  if (key.op == Op::SHF) {
    key.kind = x.take("l") ? 0 : 1;
    if (key.kind == 1 && !x.take("r")) return false;
    if (!x.take("wrap")) {
      if (!x.take("clamp")) return false;
      key.kind |= 2;
    }
  }
  if (key.op == Op::BFIND && x.take("shiftamt")) key.kind = 1;
  key.type = x.type();
  if (key.type == Type::NONE) return false;
  Type result = key.type;
  if (key.op == Op::POPC || key.op == Op::CLZ || key.op == Op::BFIND) result = Type::U32;
  d.d[0] = target(s, 0, result);
  const bool combines = key.op == Op::AND || key.op == Op::OR || key.op == Op::XOR;
  if (key.type == Type::PRED && combines) {
    const unsigned constant = s.operands[2].kind == Operand::IMMEDIATE ? 2 : 1;
    if (s.operands[constant].kind == Operand::IMMEDIATE) return with_constant(s, constant, d);
  }
  for (unsigned i = 0; i < named->sources; i++) {
    Type type = key.type;
    const bool shift = key.op == Op::SHL || key.op == Op::SHR;
    if (shift && i == 1) type = Type::U32;
    if (key.op == Op::BFE && i > 0) type = Type::U32;
    if (key.op == Op::BFI && i > 1) type = Type::U32;
    if (key.op == Op::LOP3 && i == 3) {
      d.instr.offset = (int64_t)immediate(s, s.operands[4], Type::U32) & 0xff;
      break;
    }
    d.s[i] = source(s, i + 1, type);
  }
  return true;
}

bool Decoder::compares(const Statement &s, Suffixes &x, Draft &d) {
  Key &key = d.key;
  if (s.opcode == "selp") {
    count(s, 4);
    key.op = Op::SELP;
    key.type = x.type();
    d.d[0] = target(s, 0, key.type);
    d.s[0] = source(s, 1, key.type);
    d.s[1] = source(s, 2, key.type);
    d.s[2] = source(s, 3, Type::PRED);
    return bytes_of(key.type) > 1;
  }
  if (s.opcode == "testp") {
    static const char *const TESTS[] = {"finite", "infinite", "number", "notanumber", "normal",
                                        "subnormal"};
    count(s, 2);
    key.op = Op::TESTP;
    while (key.kind < 6 && !x.take(TESTS[key.kind])) key.kind++;
    key.type = x.type();
    d.d[0] = target(s, 0, Type::PRED);
    d.s[0] = source(s, 1, key.type);
    return key.kind < 6;
  }
  if (s.opcode != "setp") return false;
  static const struct {
    const char *name;
    Compare compare;
    bool of_unsigned;
  } COMPARISONS[] = {
      {"eq", Compare::EQ, false},   {"ne", Compare::NE, false},   {"lt", Compare::LT, false},
      {"le", Compare::LE, false},   {"gt", Compare::GT, false},   {"ge", Compare::GE, false},
      {"lo", Compare::LT, true},    {"ls", Compare::LE, true},    {"hi", Compare::GT, true},
      {"hs", Compare::GE, true},    {"equ", Compare::EQU, false}, {"neu", Compare::NEU, false},
      {"ltu", Compare::LTU, false}, {"leu", Compare::LEU, false}, {"gtu", Compare::GTU, false},
      {"geu", Compare::GEU, false}, {"num", Compare::NUM, false},
      {"nan", Compare::NOT_A_NUMBER, false}};
  count(s, 3, 4);
  key.op = Op::SETP;
  bool found = false, of_unsigned = false;
  for (const auto &one : COMPARISONS) {
    if (found || !x.take(one.name)) continue;
    found = true;
    key.kind = (uint8_t)one.compare;
    of_unsigned = one.of_unsigned;
  }
  if (!found) return false;
  if (x.take("and")) key.combine = Combine::AND;
  if (x.take("or")) key.combine = Combine::OR;
  if (x.take("xor")) key.combine = Combine::XOR;
  key.type = x.type();
  if (of_unsigned && (is_signed(key.type) || is_float(key.type))) return false;
  if (!is_float(key.type) && key.kind >= (uint8_t)Compare::EQU) return false;
  if (is_untyped(key.type) && key.kind > (uint8_t)Compare::NE) return false;
  if ((s.operands.size() == 4) != (key.combine != Combine::NONE)) return false;
  d.d[0] = target(s, 0, Type::PRED);
  if (s.operands[0].second >= 0) {
    Operand second;
    second.kind = Operand::REGISTER;
    second.reg = s.operands[0].second;
    d.d[1] = target(s, second, Type::PRED);
  }
  d.s[0] = source(s, 1, key.type);
  d.s[1] = source(s, 2, key.type);
  if (key.combine != Combine::NONE) {
    d.s[2] = predicate(s, s.operands[3]);
    d.instr.negated = s.operands[3].negated;
  }
  return true;
}

/* The types' order says which is which: that of the result comes first. */
void Decoder::conversion(const Statement &s, Suffixes &x, Draft &d) {
  count(s, 2);
  Key &key = d.key;
  key.op = Op::CVT;
  key.round = x.round();
  static const struct {
    const char *name;
    Round round;
  } INTEGRAL[] = {{"rni", Round::NEAREST}, {"rzi", Round::ZERO}, {"rmi", Round::DOWN},
                  {"rpi", Round::UP}};
  for (const auto &one : INTEGRAL) {
    if (!x.take(one.name)) continue;
    if (key.round != Round::NONE) throw Error(s.line, s.name() + " rounds twice");
    key.round = one.round;
    key.to_integral = true;
  }
  key.type = x.type();
  key.from = x.type();
  d.d[0] = target(s, s.operands[0], key.type, WITHIN_ROW);
  if (s.operands[1].negated) throw Error(s.line, s.name() + ": ! is not known there");
  d.s[0] = source(s, s.operands[1], key.from, WITHIN_ROW);
}

}  // namespace ptx
