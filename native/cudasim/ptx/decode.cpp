/* Operands, and which part decodes which instruction. */
#include <cstring>

#include "draft.h"

namespace ptx {

bool Suffixes::take(const std::string &name) {
  for (size_t i = 0; i < taken_.size(); i++) {
    if (!taken_[i] && s_.suffixes[i] == name) {
      taken_[i] = true;
      return true;
    }
  }
  return false;
}

bool Suffixes::rest(const char *prefix) {
  for (size_t i = 0; i < taken_.size(); i++) {
    if (!taken_[i] && s_.suffixes[i].compare(0, std::strlen(prefix), prefix) == 0) {
      taken_[i] = true;
      return true;
    }
  }
  return false;
}

Type Suffixes::type() {
  for (size_t i = 0; i < taken_.size(); i++) {
    const Type type = taken_[i] ? Type::NONE : type_named(s_.suffixes[i]);
    if (type != Type::NONE) {
      taken_[i] = true;
      return type;
    }
  }
  return Type::NONE;
}

Round Suffixes::round() {
  if (take("rn")) return Round::NEAREST;
  if (take("rz")) return Round::ZERO;
  if (take("rm")) return Round::DOWN;
  if (take("rp")) return Round::UP;
  return Round::NONE;
}

std::string Suffixes::unknown() const {
  for (size_t i = 0; i < taken_.size(); i++) {
    if (!taken_[i]) return s_.suffixes[i];
  }
  return "";
}

void Decoder::run() {
  for (const Statement &statement : entry_.statements) {
    one(statement);
    program_.lines.push_back(statement.line);
    program_.names.push_back(statement.name());
  }
  /* Falling off the end is leaving; labels may stand there. */
  Draft end;
  end.key.op = Op::RET;
  end.instr.flow = Flow::EXIT;
  end.falls_through = false;
  drafts.push_back(end);
  program_.lines.push_back(entry_.statements.empty() ? entry_.line : entry_.statements.back().line);
  program_.names.push_back("the end");
}

void Decoder::one(const Statement &s) {
  /* These give results here that are as wrong as they may be. */
  const bool is_bounded = s.name() == "rcp.approx.ftz.f32" || s.name() == "sqrt.approx.f32" ||
      s.name() == "sqrt.approx.ftz.f32";
  for (const std::string &suffix : s.suffixes) {
    if (!is_bounded && (suffix == "approx" || suffix == "full")) {
      throw Error(s.line, s.name() + " is refused: its result is not that of IEEE 754");
    }
    if (!is_bounded && suffix == "ftz") {
      throw Error(s.line, s.name() + " is refused: it takes subnormal numbers for zero");
    }
  }
  Draft d;
  Suffixes x(s);
  if (!arithmetic(s, x, d) && !bits(s, x, d) && !compares(s, x, d) && !moves(s, x, d) &&
      !memory(s, x, d) && !threads(s, x, d)) {
    throw Error(s.line, "instruction " + s.name() + " is not known");
  }
  const std::string unknown = x.unknown();
  if (!unknown.empty()) {
    throw Error(s.line, "instruction " + s.name() + " is not known: ." + unknown);
  }
  d.guard = s.guard;
  d.instr.guard_negated = s.guard_negated;
  if (s.guard >= 0 && d.instr.flow == Flow::PLAIN) d.instr.flow = Flow::GUARDED;
  if (s.guard >= 0 && (d.instr.flow == Flow::BARRIER || d.instr.flow == Flow::TOGETHER)) {
    throw Error(s.line, s.name() + " under a predicate is not known");
  }
  d.instr.kind = d.key.kind;
  d.instr.combine = d.key.combine;
  d.instr.space = d.key.space;
  if (d.instr.flow != Flow::BRANCH && d.instr.flow != Flow::EXIT &&
      d.instr.flow != Flow::BARRIER && d.key.op != Op::BAR_WARP) {
    d.instr.run = handler_of(d.key);
    if (!d.instr.run) throw Error(s.line, "instruction " + s.name() + " is not known");
  }
  drafts.push_back(d);
}

void Decoder::count(const Statement &s, size_t least, size_t most) const {
  if (most == 0) most = least;
  if (s.operands.size() < least || s.operands.size() > most) {
    throw Error(s.line, s.name() + " has " + std::to_string(s.operands.size()) +
                            " operands, must have " + std::to_string(least));
  }
}

Ref Decoder::constant(uint64_t bits, bool wide) {
  if (!wide) bits &= 0xffffffffu;
  const auto entry =
      constant_numbers_.emplace(std::make_pair(bits, wide), (uint32_t)constants.size());
  if (entry.second) constants.push_back({bits, wide});
  Ref ref;
  ref.kind = Ref::CONSTANT;
  ref.index = entry.first->second;
  return ref;
}

Ref Decoder::special(const Statement &s, const std::string &name) {
  static const struct {
    const char *name;
    Special what;
  } NAMES[] = {
      {"%tid.x", Special::TID_X},         {"%tid.y", Special::TID_Y},
      {"%tid.z", Special::TID_Z},         {"%ntid.x", Special::NTID_X},
      {"%ntid.y", Special::NTID_Y},       {"%ntid.z", Special::NTID_Z},
      {"%ctaid.x", Special::CTAID_X},     {"%ctaid.y", Special::CTAID_Y},
      {"%ctaid.z", Special::CTAID_Z},     {"%nctaid.x", Special::NCTAID_X},
      {"%nctaid.y", Special::NCTAID_Y},   {"%nctaid.z", Special::NCTAID_Z},
      {"%laneid", Special::LANEID},       {"%warpid", Special::WARPID},
      {"%nwarpid", Special::NWARPID},     {"%lanemask_eq", Special::LANEMASK_EQ},
      {"%lanemask_lt", Special::LANEMASK_LT}, {"%lanemask_le", Special::LANEMASK_LE},
      {"%lanemask_gt", Special::LANEMASK_GT}, {"%lanemask_ge", Special::LANEMASK_GE},
      {"%dynamic_smem_size", Special::DYNAMIC_SMEM}, {"%total_smem_size", Special::TOTAL_SMEM}};
  for (const auto &one : NAMES) {
    if (name != one.name) continue;
    Ref ref;
    ref.kind = Ref::SPECIAL;
    for (ref.index = 0; ref.index < specials.size(); ref.index++) {
      if (specials[ref.index] == one.what) return ref;
    }
    specials.push_back(one.what);
    return ref;
  }
  throw Error(s.line, "'" + name + "' is neither a known special register nor declared");
}

uint64_t Decoder::address_of(const Symbol &symbol) const {
  return symbol.dynamic ? program_.dynamic_shared_at : symbol.address;
}

uint64_t Decoder::immediate(const Statement &s, const Operand &o, Type type) const {
  if (o.literal == Type::S64 && !is_float(type)) return o.bits;
  if (o.literal == Type::F32 && bytes_of(type) == 4) return o.bits;
  if (o.literal == Type::F64 && bytes_of(type) == 8) return o.bits;
  if (o.literal == Type::F64 && type == Type::F32) {
    double value;
    std::memcpy(&value, &o.bits, sizeof value);
    const float rounded = (float)value;
    uint32_t bits;
    std::memcpy(&bits, &rounded, sizeof bits);
    return bits;
  }
  throw Error(s.line, s.name() + " has an immediate operand of another type");
}

Ref Decoder::source(const Statement &s, const Operand &o, Type type, Loose loose) {
  Ref ref;
  const bool wide = bytes_of(type) == 8;
  if (type == Type::PRED) return predicate(s, o);
  switch (o.kind) {
    case Operand::REGISTER: {
      const unsigned has = bytes_of(type_of(o.reg)), needs = bytes_of(type);
      const bool fits = loose == EXACT        ? has == needs
                        : loose == WITHIN_ROW ? has >= needs && (has == 8) == (needs == 8)
                                              : has >= needs;
      if (!fits) {
        throw Error(s.line, s.name() + ": register " + entry_.register_names[(size_t)o.reg] +
                                " has another size than the type");
      }
      ref.kind = Ref::REGISTER;
      ref.index = (uint32_t)o.reg;
      return ref;
    }
    case Operand::IMMEDIATE: return constant(immediate(s, o, type), wide);
    case Operand::SPECIAL:
      if (wide) throw Error(s.line, s.name() + ": " + o.name + " has 32 bits");
      return special(s, o.name);
    case Operand::SYMBOL: return constant(address_of(*o.symbol) + (uint64_t)o.offset, wide);
    case Operand::LABEL:
      throw Error(s.line, "'" + o.name + "' is not declared");
    default: throw Error(s.line, s.name() + " has an operand of a kind that is not known there");
  }
}

Ref Decoder::source(const Statement &s, size_t i, Type type) {
  if (s.operands[i].negated) throw Error(s.line, s.name() + ": ! is not known there");
  return source(s, s.operands[i], type);
}

Ref Decoder::predicate(const Statement &s, const Operand &o) {
  if (o.kind != Operand::REGISTER || type_of(o.reg) != Type::PRED) {
    throw Error(s.line, s.name() + " has another operand where a predicate must be");
  }
  Ref ref;
  ref.kind = Ref::REGISTER;
  ref.index = (uint32_t)o.reg;
  return ref;
}

Ref Decoder::target(const Statement &s, const Operand &o, Type type, Loose loose) {
  if (o.kind == Operand::SINK) return Ref();
  if (o.kind != Operand::REGISTER || o.negated) {
    throw Error(s.line, s.name() + " has no register for its result");
  }
  return source(s, o, type, loose);
}

Ref Decoder::target(const Statement &s, size_t i, Type type) {
  return target(s, s.operands[i], type);
}

std::unique_ptr<Program> decode(const Entry &entry) {
  std::unique_ptr<Program> program(new Program());
  program->entry = &entry;
  program->shared_bytes = entry.shared_bytes;
  program->dynamic_shared_at = (entry.shared_bytes + 127) / 128 * 128;
  Decoder decoder(entry, *program);
  decoder.run();
  assign_rows(entry, decoder, *program);
  return program;
}

}  // namespace ptx
