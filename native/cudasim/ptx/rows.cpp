/*
 * Which row of a warp's file each register has: registers that are never needed at the same time
 * share one, so that the file stays within the first cache. Predicates have one mask each.
 */
#include <algorithm>

#include "draft.h"

namespace ptx {

namespace {
typedef std::vector<uint64_t> Bits;

bool has(const Bits &bits, size_t i) { return bits[i / 64] >> (i % 64) & 1; }
void set(Bits &bits, size_t i) { bits[i / 64] |= 1ull << (i % 64); }
void clear(Bits &bits, size_t i) { bits[i / 64] &= ~(1ull << (i % 64)); }

struct Block {
  size_t from, to; /* instructions, to exclusive */
  std::vector<size_t> next;
  Bits live_in, live_out;
};

template <class F> void each_use(const Draft &d, F f) {
  for (const Ref &ref : d.s) {
    if (ref.kind == Ref::REGISTER) f(ref.index);
  }
  if (d.base.kind == Ref::REGISTER) f(d.base.index);
  if (d.guard >= 0) f((uint32_t)d.guard);
}

template <class F> void each_result(const Draft &d, F f) {
  for (const Ref &ref : d.d) {
    if (ref.kind == Ref::REGISTER) f(ref.index);
  }
}

/* What is live before an instruction, from what is live after it. */
void step_back(const Draft &d, Bits &live) {
  if (d.guard < 0) each_result(d, [&](uint32_t r) { clear(live, r); });
  each_use(d, [&](uint32_t r) { set(live, r); });
}

struct Lifetimes {
  std::vector<size_t> first, last; /* SIZE_MAX and 0 if never */
  Bits at_start;                   /* read before they are written, on some path */

  void extend(uint32_t r, size_t at) {
    first[r] = std::min(first[r], at);
    last[r] = std::max(last[r], at);
  }
};

class Allocation {
 public:
  Allocation(const Entry &entry, Decoder &decoder, Program &program)
      : entry_(entry), decoder_(decoder), program_(program) {}
  void run();

 private:
  void targets();
  void split();
  void find_live();
  void find_lifetimes();
  void place_registers();
  void place_constants();
  void finish();
  uint32_t row_of(const Ref &ref, uint32_t of_none) const;

  const Entry &entry_;
  Decoder &decoder_;
  Program &program_;
  std::vector<Block> blocks_;
  Lifetimes lifetimes_;
  std::vector<uint32_t> rows_; /* by register */
};

void Allocation::run() {
  targets();
  split();
  find_live();
  find_lifetimes();
  place_registers();
  place_constants();
  finish();
}

void Allocation::targets() {
  for (Draft &d : decoder_.drafts) {
    if (!d.label.empty()) d.instr.target = (uint32_t)entry_.labels.at(d.label);
  }
}

void Allocation::split() {
  const std::vector<Draft> &drafts = decoder_.drafts;
  std::vector<bool> leads(drafts.size() + 1, false);
  leads[0] = true;
  for (size_t i = 0; i < drafts.size(); i++) {
    if (!drafts[i].label.empty()) leads[drafts[i].instr.target] = true;
    if (!drafts[i].label.empty() || !drafts[i].falls_through) leads[i + 1] = true;
  }
  std::vector<size_t> block_at(drafts.size() + 1, 0);
  for (size_t i = 0; i < drafts.size(); i++) {
    if (leads[i]) {
      blocks_.emplace_back();
      blocks_.back().from = i;
    }
    block_at[i] = blocks_.size() - 1;
    blocks_.back().to = i + 1;
  }
  for (Block &block : blocks_) {
    const Draft &last = drafts[block.to - 1];
    if (!last.label.empty()) block.next.push_back(block_at[last.instr.target]);
    if (last.falls_through && block.to < drafts.size()) block.next.push_back(block_at[block.to]);
  }
}

void Allocation::find_live() {
  const size_t words = entry_.registers.size() / 64 + 1;
  for (Block &block : blocks_) {
    block.live_in.assign(words, 0);
    block.live_out.assign(words, 0);
  }
  for (bool changed = true; changed;) {
    changed = false;
    for (size_t b = blocks_.size(); b-- > 0;) {
      Block &block = blocks_[b];
      Bits live(words, 0);
      for (size_t next : block.next) {
        for (size_t w = 0; w < words; w++) live[w] |= blocks_[next].live_in[w];
      }
      block.live_out = live;
      for (size_t i = block.to; i-- > block.from;) step_back(decoder_.drafts[i], live);
      if (live != block.live_in) {
        block.live_in = live;
        changed = true;
      }
    }
  }
}

void Allocation::find_lifetimes() {
  const size_t n = entry_.registers.size();
  lifetimes_.first.assign(n, SIZE_MAX);
  lifetimes_.last.assign(n, 0);
  lifetimes_.at_start = blocks_[0].live_in;
  for (const Block &block : blocks_) {
    for (uint32_t r = 0; r < n; r++) {
      if (has(block.live_in, r)) lifetimes_.extend(r, block.from);
      if (has(block.live_out, r)) lifetimes_.extend(r, block.to);
    }
    for (size_t i = block.from; i < block.to; i++) {
      each_use(decoder_.drafts[i], [&](uint32_t r) { lifetimes_.extend(r, i); });
      each_result(decoder_.drafts[i], [&](uint32_t r) { lifetimes_.extend(r, i); });
    }
  }
  /* Those that may be read unset keep a row of their own, so that this can be seen. */
  for (uint32_t r = 0; r < n; r++) {
    if (!has(lifetimes_.at_start, r)) continue;
    lifetimes_.first[r] = 0;
    lifetimes_.last[r] = decoder_.drafts.size();
  }
}

/* By increasing first use; a row is free again after the last one of its register. */
void Allocation::place_registers() {
  const size_t n = entry_.registers.size();
  rows_.assign(n, 0);
  std::vector<uint32_t> order;
  for (uint32_t r = 0; r < n; r++) {
    if (entry_.registers[r] == Type::PRED) {
      rows_[r] = program_.predicates++;
      if (has(lifetimes_.at_start, r)) program_.unset_predicates.push_back(rows_[r]);
    } else if (lifetimes_.first[r] != SIZE_MAX) {
      order.push_back(r);
    }
  }
  std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
    return lifetimes_.first[a] != lifetimes_.first[b] ? lifetimes_.first[a] < lifetimes_.first[b]
                                                      : a < b;
  });
  /* The first rows take results that nobody wants. */
  uint32_t bytes = 2 * ROW;
  std::vector<std::pair<size_t, uint32_t>> used[2]; /* last use and row, by width */
  for (uint32_t r : order) {
    const bool wide = bytes_of(entry_.registers[r]) == 8;
    auto &rows = used[wide];
    auto free = std::find_if(rows.begin(), rows.end(), [&](const auto &row) {
      return row.first < lifetimes_.first[r];
    });
    if (free == rows.end()) {
      free = rows.insert(rows.end(), {0, bytes});
      bytes += wide ? 2 * ROW : ROW;
    }
    free->first = lifetimes_.last[r];
    rows_[r] = free->second;
    if (has(lifetimes_.at_start, r)) program_.unset_rows.push_back(rows_[r]);
  }
  program_.file_bytes = bytes;
}

void Allocation::place_constants() {
  for (Special what : decoder_.specials) {
    program_.specials.push_back({what, program_.file_bytes});
    program_.file_bytes += ROW;
  }
  for (const auto &one : decoder_.constants) {
    program_.constants.push_back({program_.file_bytes, one.first, one.second});
    program_.file_bytes += one.second ? 2 * ROW : ROW;
  }
}

uint32_t Allocation::row_of(const Ref &ref, uint32_t of_none) const {
  switch (ref.kind) {
    case Ref::REGISTER: return rows_[ref.index];
    case Ref::CONSTANT: return program_.constants[ref.index].row;
    case Ref::SPECIAL: return program_.specials[ref.index].row;
    default: return of_none;
  }
}

void Allocation::finish() {
  for (Draft &d : decoder_.drafts) {
    Instr instr = d.instr;
    const bool makes_predicate =
        d.key.op == Op::SETP || d.key.op == Op::TESTP || d.key.op == Op::IS_SPACE ||
        (d.key.type == Type::PRED && d.key.op != Op::SETP);
    for (int i = 0; i < 4; i++) {
      const bool predicate = makes_predicate || (d.key.op == Op::SHFL && i == 1);
      instr.d[i] = row_of(d.d[i], predicate ? NO_PREDICATE : 0);
      instr.s[i] = row_of(d.s[i], 0);
    }
    instr.base = row_of(d.base, 0);
    if (d.guard >= 0) instr.guard = rows_[(size_t)d.guard];
    if (d.key.op == Op::LD || d.key.op == Op::ST || d.key.op == Op::ATOM) {
      instr.access = program_.accesses++;
    }
    program_.code.push_back(instr);
  }
}
}  // namespace

void assign_rows(const Entry &entry, Decoder &decoder, Program &program) {
  Allocation(entry, decoder, program).run();
}

}  // namespace ptx
