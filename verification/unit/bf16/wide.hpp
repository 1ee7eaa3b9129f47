// Whole numbers of 384 bits, and bfloat16 as such in units of 2^-133: the exact arithmetic of the benches.
#pragma once
#include <cstdint>

struct Wide {
  uint64_t limb[6] = {};
  bool neg = false;  // never of 0
};

inline bool zero(const Wide &a) {
  for (uint64_t l : a.limb) if (l) return false;
  return true;
}

inline Wide made(uint64_t v, int left, bool neg = false) {
  Wide w;
  w.limb[left / 64] = v << left % 64;
  if (left % 64) w.limb[left / 64 + 1] = v >> (64 - left % 64);
  w.neg = neg && v;
  return w;
}

inline int compare(const Wide &a, const Wide &b) {  // of the magnitudes
  for (int i = 5; i >= 0; i--) if (a.limb[i] != b.limb[i]) return a.limb[i] < b.limb[i] ? -1 : 1;
  return 0;
}

inline Wide plus(const Wide &a, const Wide &b) {
  Wide r;
  if (a.neg == b.neg) {
    unsigned __int128 c = 0;
    for (int i = 0; i < 6; i++) r.limb[i] = c += (unsigned __int128)a.limb[i] + b.limb[i], c >>= 64;
    r.neg = a.neg;
    return r;
  }
  bool less = compare(a, b) < 0;
  const Wide &x = less ? b : a, &y = less ? a : b;
  __int128 c = 0;
  for (int i = 0; i < 6; i++) r.limb[i] = c += (__int128)x.limb[i] - y.limb[i], c >>= 64;
  r.neg = x.neg && !zero(r);
  return r;
}

inline Wide minus(Wide a, Wide b) {
  if (!zero(b)) b.neg = !b.neg;
  return plus(a, b);
}

inline Wide times(const Wide &a, int64_t n) {
  Wide r;
  unsigned __int128 c = 0;
  uint64_t m = n < 0 ? -n : n;
  for (int i = 0; i < 6; i++) r.limb[i] = c += (unsigned __int128)a.limb[i] * m, c >>= 64;
  r.neg = (a.neg != (n < 0)) && !zero(r);
  return r;
}

inline int top(const Wide &a) {  // index of the leading one, -1 of 0
  for (int i = 5; i >= 0; i--) if (a.limb[i]) return 64 * i + 63 - __builtin_clzll(a.limb[i]);
  return -1;
}

constexpr uint16_t kMax = 0x7F7F;

// Value of a finite bfloat16.
inline Wide value(uint16_t x) {
  int e = (x >> 7) & 255, f = x & 127;
  return made(e ? 128 + f : f, e ? e - 1 : 0, x & 0x8000);
}

inline uint16_t cleaned(uint16_t x) {
  if ((x & 0x7F80) == 0x7F80) return x & 127 ? 0 : (x & 0x8000) | kMax;
  return x == 0x8000 ? 0 : x;
}

// Greatest bfloat16 not above the magnitude of v: searched, not built.
inline uint16_t below(const Wide &v) {
  int lo = 0, hi = kMax;
  while (lo < hi) {
    int mid = (lo + hi + 1) / 2;
    if (compare(value(mid), v) <= 0) lo = mid;
    else hi = mid - 1;
  }
  return lo;
}

// RN to bfloat16 of |n| / d; over: n / d is beyond the range.
inline uint16_t nearest(const Wide &n, int64_t d, bool *over = nullptr, uint64_t *ties = nullptr) {
  // The bound is (2 - 2^-8) 2^127 in units of 2^-134, so twice n.
  Wide twice = times(n, 2);
  twice.neg = false;
  bool beyond = compare(twice, times(made(511, 253), d)) >= 0;
  if (over) *over = beyond;
  if (beyond) return kMax;
  int lo = 0, hi = kMax;
  while (lo < hi) {
    int mid = (lo + hi + 1) / 2;
    if (compare(times(value(mid), d * 2), twice) <= 0) lo = mid;
    else hi = mid - 1;
  }
  if (lo == kMax) return kMax;
  int c = compare(twice, times(plus(value(lo), value(lo + 1)), d));
  if (ties) *ties += c == 0;
  return c > 0 || (c == 0 && (lo & 1)) ? lo + 1 : lo;
}

inline uint64_t rnd(uint64_t set = 0) {
  static uint64_t state = 0x9E3779B97F4A7C15ull;
  if (set) state = set * 0x9E3779B97F4A7C15ull | 1;
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state * 2685821657736338717ull >> 11;
}
