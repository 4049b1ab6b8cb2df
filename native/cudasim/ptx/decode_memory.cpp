/* Instructions that move, access memory, or concern several threads or the flow. */
#include "draft.h"

namespace ptx {

namespace {
Space space_named(Suffixes &x) {
  if (x.take("global")) return Space::GLOBAL;
  if (x.take("shared") || x.take("shared::cta")) return Space::SHARED;
  if (x.take("local")) return Space::LOCAL;
  if (x.take("const")) return Space::CONST;
  if (x.take("param") || x.take("param::entry")) return Space::PARAM;
  return Space::GENERIC;
}

/* What says how strong an access is, or which caches it should use; whether it is strong. */
bool take_strength(Suffixes &x) {
  bool strong = false;
  for (const char *name : {"volatile", "relaxed", "acquire", "release", "acq_rel"}) {
    strong = x.take(name) || strong;
  }
  for (const char *name : {"gpu", "cta", "sys", "weak", "ca", "cg", "cs", "cv", "lu", "wb", "wt",
                           "nc"}) {
    x.take(name);
  }
  while (x.rest("L1::") || x.rest("L2::")) {
  }
  return strong;
}
}  // namespace

void Decoder::address(const Statement &s, const Operand &o, Space space, Draft &d) {
  if (o.kind != Operand::ADDRESS) throw Error(s.line, s.name() + " has no address");
  d.key.space = space;
  if (o.reg >= 0) {
    const unsigned bytes = bytes_of(type_of(o.reg));
    if (bytes < 4) throw Error(s.line, s.name() + ": the address is in a register too narrow");
    d.instr.narrow_base = bytes == 4;
    d.base.kind = Ref::REGISTER;
    d.base.index = (uint32_t)o.reg;
    d.instr.offset = o.offset;
    return;
  }
  uint64_t at = (uint64_t)o.offset;
  if (o.symbol) {
    const bool fits = space == o.symbol->space ||
                      (space == Space::GENERIC && o.symbol->space != Space::PARAM);
    if (!fits) throw Error(s.line, s.name() + ": " + o.symbol->name + " is in another space");
    at += address_of(*o.symbol);
    if (space == Space::GENERIC) at += window_of(o.symbol->space);
  }
  d.base = constant(at, true);
}

bool Decoder::memory(const Statement &s, Suffixes &x, Draft &d) {
  Key &key = d.key;
  const bool load = s.opcode == "ld", store = s.opcode == "st";
  if (s.opcode == "membar" || s.opcode == "fence") {
    count(s, 0, 1);
    take_strength(x);
    x.take("gl"), x.take("sc"), x.take("proxy"), x.take("alias");
    return s.operands.empty();
  }
  if (s.opcode == "prefetch" || s.opcode == "prefetchu") {
    count(s, 1);
    x.rest("L1"), x.rest("L2"), space_named(x);
    return true;
  }
  if (load || store) {
    count(s, 2);
    key.op = load ? Op::LD : Op::ST;
    const Space space = space_named(x);
    d.instr.strong = take_strength(x);
    if (x.take("v2")) d.instr.count = 2;
    if (x.take("v4")) d.instr.count = 4;
    key.type = x.type();
    if (bytes_of(key.type) == 0) return false;
    if (store && (space == Space::PARAM || space == Space::CONST)) return false;
    address(s, s.operands[load ? 1 : 0], space, d);
    d.instr.bytes = (uint8_t)bytes_of(key.type);
    d.instr.extends = is_signed(key.type);
    const Operand &value = s.operands[load ? 0 : 1];
    if ((value.kind == Operand::VECTOR) != (d.instr.count > 1) ||
        (d.instr.count > 1 && value.parts.size() != d.instr.count)) {
      throw Error(s.line, s.name() + " has another number of registers than elements");
    }
    for (unsigned i = 0; i < d.instr.count; i++) {
      const Operand &one = d.instr.count > 1 ? value.parts[i] : value;
      Ref &ref = load ? d.d[i] : d.s[i];
      ref = load ? target(s, one, key.type, ANY_WIDTH) : source(s, one, key.type, ANY_WIDTH);
      const bool wide = one.kind == Operand::REGISTER ? bytes_of(type_of(one.reg)) == 8
                                                      : bytes_of(key.type) == 8;
      if (i > 0 && wide != d.instr.wide) throw Error(s.line, s.name() + " mixes registers' sizes");
      d.instr.wide = wide;
    }
    return true;
  }
  if (s.opcode != "atom" && s.opcode != "red") return false;
  static const struct {
    const char *name;
    Atomic atomic;
  } LIST[] = {{"add", Atomic::ADD}, {"min", Atomic::MIN}, {"max", Atomic::MAX},
              {"and", Atomic::AND}, {"or", Atomic::OR},   {"xor", Atomic::XOR},
              {"exch", Atomic::EXCH}, {"cas", Atomic::CAS}, {"inc", Atomic::INC},
              {"dec", Atomic::DEC}};
  const bool returns = s.opcode == "atom";
  key.op = Op::ATOM;
  const Space space = space_named(x);
  take_strength(x);
  bool found = false;
  for (const auto &one : LIST) {
    if (found || !x.take(one.name)) continue;
    found = true;
    key.kind = (uint8_t)one.atomic;
  }
  key.type = x.type();
  const bool compares = key.kind == (uint8_t)Atomic::CAS;
  if (!found || bytes_of(key.type) < 4 || (compares && !returns)) return false;
  count(s, (returns ? 3 : 2) + (compares ? 1 : 0));
  address(s, s.operands[returns ? 1 : 0], space, d);
  d.instr.bytes = (uint8_t)bytes_of(key.type);
  d.instr.wide = d.instr.bytes == 8;
  if (returns) d.d[0] = target(s, 0, key.type);
  d.s[0] = source(s, returns ? 2 : 1, key.type);
  if (compares) d.s[1] = source(s, 3, key.type);
  return true;
}

void Decoder::move(const Statement &s, Type type, Draft &d) {
  count(s, 2);
  Key &key = d.key;
  key.op = Op::MOV;
  key.type = type;
  const Operand &to = s.operands[0], &from = s.operands[1];
  if (to.kind == Operand::VECTOR || from.kind == Operand::VECTOR) {
    const bool packs = from.kind == Operand::VECTOR;
    const Operand &vector = packs ? from : to;
    const size_t n = vector.parts.size();
    key.op = packs ? Op::PACK : Op::UNPACK;
    const unsigned bytes = n == 0 || n > 4 ? 0 : bytes_of(type) / (unsigned)n;
    key.from = bytes == 4 ? Type::B32 : bytes == 2 ? Type::B16 : Type::NONE;
    if (key.from == Type::NONE || (packs && to.kind == Operand::VECTOR)) {
      throw Error(s.line, s.name() + " of these operands is not known");
    }
    d.instr.count = (uint8_t)n;
    for (size_t i = 0; i < n; i++) {
      if (packs) {
        d.s[i] = source(s, vector.parts[i], key.from);
      } else {
        d.d[i] = target(s, vector.parts[i], key.from);
      }
    }
    if (packs) {
      d.d[0] = target(s, to, type);
    } else {
      d.s[0] = source(s, from, type);
    }
    return;
  }
  d.d[0] = target(s, to, type);
  if (from.kind == Operand::SYMBOL && bytes_of(type) < 8 && from.symbol->space == Space::GLOBAL) {
    throw Error(s.line, s.name() + " cannot hold an address");
  }
  if (type == Type::PRED && from.kind == Operand::IMMEDIATE) {
    key.kind = 1;
    d.instr.offset = (int64_t)from.bits;
    return;
  }
  d.s[0] = source(s, 1, type);
}

bool Decoder::moves(const Statement &s, Suffixes &x, Draft &d) {
  Key &key = d.key;
  if (s.opcode == "mov") {
    const Type type = x.type();
    if (type == Type::NONE || bytes_of(type) == 1) return false;
    move(s, type, d);
    return true;
  }
  if (s.opcode == "cvt") {
    conversion(s, x, d);
    return true;
  }
  if (s.opcode == "cvta") {
    count(s, 2);
    key.op = x.take("to") ? Op::TO_SPACE : Op::FROM_SPACE;
    key.space = space_named(x);
    key.type = x.type();
    if (key.type != Type::U64 || key.space == Space::GENERIC) return false;
    d.d[0] = target(s, 0, key.type);
    d.s[0] = source(s, 1, key.type);
    return true;
  }
  if (s.opcode == "isspacep") {
    count(s, 2);
    key.op = Op::IS_SPACE;
    key.space = space_named(x);
    if (key.space == Space::GENERIC) return false;
    d.d[0] = target(s, 0, Type::PRED);
    d.s[0] = source(s, 1, Type::U64);
    return true;
  }
  return false;
}

bool Decoder::threads(const Statement &s, Suffixes &x, Draft &d) {
  Key &key = d.key;
  if (s.opcode == "bra") {
    count(s, 1);
    x.take("uni");
    if (s.operands[0].kind != Operand::LABEL || !entry_.labels.count(s.operands[0].name)) {
      throw Error(s.line, "bra goes to no label that is there");
    }
    key.op = Op::BRA;
    d.label = s.operands[0].name;
    d.instr.flow = Flow::BRANCH;
    d.falls_through = s.guard >= 0;
    return true;
  }
  if (s.opcode == "ret" || s.opcode == "exit") {
    count(s, 0, 1);
    x.take("uni");
    key.op = Op::RET;
    d.instr.flow = Flow::EXIT;
    d.falls_through = s.guard >= 0;
    return s.operands.empty();
  }
  if (s.opcode == "trap") {
    key.op = Op::TRAP;
    return s.operands.empty();
  }
  if (s.opcode == "bar" || s.opcode == "barrier") {
    x.take("cta"), x.take("aligned");
    if (x.take("warp")) {
      if (!x.take("sync")) return false;
      count(s, 1);
      key.op = Op::BAR_WARP;
      d.instr.flow = Flow::TOGETHER;
      d.s[0] = source(s, 0, Type::B32);
      return true;
    }
    if (!x.take("sync")) return false;
    count(s, 1);
    const Operand &barrier = s.operands[0];
    if (barrier.kind != Operand::IMMEDIATE || barrier.bits != 0) {
      throw Error(s.line, s.name() + ": only barrier 0 is known, for all threads");
    }
    key.op = Op::BAR;
    d.instr.flow = Flow::BARRIER;
    return true;
  }
  if (s.opcode == "activemask") {
    count(s, 1);
    key.op = Op::ACTIVEMASK;
    key.type = x.type();
    d.d[0] = target(s, 0, Type::B32);
    return key.type == Type::B32;
  }
  if (s.opcode == "vote" && x.take("sync")) {
    static const char *const VOTES[] = {"any", "all", "uni", "ballot"};
    count(s, 3);
    key.op = Op::VOTE;
    while (key.kind < 4 && !x.take(VOTES[key.kind])) key.kind++;
    key.type = x.type();
    const bool ballot = key.kind == (uint8_t)Vote::BALLOT;
    if (key.kind == 4 || key.type != (ballot ? Type::B32 : Type::PRED)) return false;
    d.instr.flow = Flow::TOGETHER;
    d.d[0] = target(s, 0, key.type);
    d.s[0] = source(s, 2, Type::B32);
    d.s[2] = predicate(s, s.operands[1]);
    d.instr.negated = s.operands[1].negated;
    return true;
  }
  if (s.opcode == "shfl" && x.take("sync")) {
    static const char *const SHUFFLES[] = {"up", "down", "bfly", "idx"};
    count(s, 5);
    key.op = Op::SHFL;
    while (key.kind < 4 && !x.take(SHUFFLES[key.kind])) key.kind++;
    key.type = x.type();
    if (key.kind == 4 || bytes_of(key.type) != 4) return false;
    d.instr.flow = Flow::TOGETHER;
    d.d[0] = target(s, 0, key.type);
    if (s.operands[0].second >= 0) {
      Operand second;
      second.kind = Operand::REGISTER;
      second.reg = s.operands[0].second;
      d.d[1] = target(s, second, Type::PRED);
    }
    d.s[1] = source(s, 1, key.type);
    d.s[2] = source(s, 2, Type::B32);
    d.s[3] = source(s, 3, Type::B32);
    d.s[0] = source(s, 4, Type::B32);
    return true;
  }
  return false;
}

}  // namespace ptx
