/* The inner loop of format/unxz.ts, for WebAssembly: chunks of LZMA2 into a window, and CRC-64 over what came out. Follows the .xz file format 1.1.0
 * and the LZMA specification of the LZMA SDK. scripts/lzma.mjs builds it. Nothing here is trusted to be well formed: every distance is checked, and
 * whatever else happens stays within this module's own memory. */
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

#define EXPORT(name) __attribute__((export_name(name)))
#define PAGE 65536u

/* One chunk has at most 64 KiB; a damaged one is read past its end by a symbol at most. */
static u8 input[PAGE + 256];

/* Probabilities, as they lie in the specification's order of use. */
#define STATES 12
#define POS_STATES 16
enum {
  IS_MATCH = 0,
  IS_REP = IS_MATCH + STATES * POS_STATES,
  IS_REP0 = IS_REP + STATES,
  IS_REP1 = IS_REP0 + STATES,
  IS_REP2 = IS_REP1 + STATES,
  IS_REP0_LONG = IS_REP2 + STATES,
  DIST_SLOT = IS_REP0_LONG + STATES * POS_STATES,
  DIST_SPECIAL = DIST_SLOT + 4 * 64,
  DIST_ALIGN = DIST_SPECIAL + 128,
  /* A length: choice, second choice, 16 × 8 low, 16 × 8 middle, 256 high. */
  MATCH_LEN = DIST_ALIGN + 16,
  LEN_SIZE = 2 + 2 * POS_STATES * 8 + 256,
  REP_LEN = MATCH_LEN + LEN_SIZE,
  LITERAL = REP_LEN + LEN_SIZE,
  PROBS = LITERAL + 0x300 * 16
};
static u16 probs[PROBS];

static u32 lc, lp_mask, pb_mask, state, rep0, rep1, rep2, rep3;
static u8 *window;
/* Bytes: room of the window, how much of it is written, how far back a distance may reach. */
static u32 room, used, dictionary;
static u32 last;
static u64 table[8][256];

extern u8 __heap_base;

EXPORT("input") u8 *input_at(void) { return input; }
/* Where the bytes are that the last chunk came to. */
EXPORT("output") u8 *output_at(void) { return window + last; }

/* A new block. The window grows up to the dictionary's size when it is needed. */
EXPORT("begin") void begin(u32 size) {
  dictionary = size < 4096 ? 4096 : size;
  used = 0;
  if (!window) window = (u8 *)(((u32)&__heap_base + 15) & ~15u);
  if (!table[0][1]) {
    for (u32 n = 0; n < 256; n++) {
      u64 crc = n;
      for (u32 k = 0; k < 8; k++) crc = (crc >> 1) ^ (crc & 1 ? 0xC96C5795D7870F42ull : 0);
      table[0][n] = crc;
    }
    for (u32 k = 1; k < 8; k++)
      for (u32 n = 0; n < 256; n++) table[k][n] = (table[k - 1][n] >> 8) ^ table[0][table[k - 1][n] & 255];
  }
}

/* Forgets what came before: nothing may be repeated from there. */
EXPORT("forget") void forget(void) { used = 0; }

/* Room for so many more bytes. 0: there is none. */
static int make_room(u32 count) {
  count += 16;
  if (used + count <= room) return 1;
  u32 want = dictionary + (4u << 20);
  if (room < want) {
    u32 next = room * 2 > used + count ? room * 2 : used + count + (1u << 20);
    if (next > want) next = want;
    if (next >= used + count) {
      u32 end = (u32)window + next;
      u32 have = (u32)__builtin_wasm_memory_size(0) * PAGE;
      if (end > have && __builtin_wasm_memory_grow(0, (end - have + PAGE - 1) / PAGE) == (__SIZE_TYPE__)-1) return 0;
      room = next;
      return 1;
    }
  }
  if (used <= dictionary) return 0;
  /* By a multiple of 16: positions count in the choice of probabilities. */
  u32 gone = (used - dictionary) & ~15u;
  used -= gone;
  __builtin_memmove(window, window + gone, used);
  return used + count <= room;
}

/* A chunk that is not compressed. */
EXPORT("copy") int copy(u32 count) {
  if (!make_room(count)) return 2;
  __builtin_memcpy(window + used, input, count);
  last = used;
  used += count;
  return 0;
}

EXPORT("reset") void reset(void) {
  state = 0;
  rep0 = rep1 = rep2 = rep3 = 0;
  u32 count = LITERAL + (0x300u << lc) * (lp_mask + 1);
  for (u32 n = 0; n < count; n++) probs[n] = 1024;
}

/* lc, lp and pb in one byte. 0: it is none. */
EXPORT("properties") int properties(u32 byte) {
  if (byte > 224) return 0;
  u32 pb = byte / 45;
  u32 lp = (byte - pb * 45) / 9;
  lc = byte - pb * 45 - lp * 9;
  if (lc + lp > 4) return 0;
  lp_mask = (1u << lp) - 1;
  pb_mask = (1u << pb) - 1;
  reset();
  return 1;
}

#define NORMALIZE \
  if (range < 1u << 24) { \
    range <<= 8; \
    code = code << 8 | *in++; \
  }
#define IF_0(p) \
  NORMALIZE; \
  prob = *(p); \
  bound = (range >> 11) * prob; \
  if (code < bound)
#define WAS_0(p) \
  range = bound; \
  *(p) = (u16)(prob + ((2048 - prob) >> 5));
#define WAS_1(p) \
  range -= bound; \
  code -= bound; \
  *(p) = (u16)(prob - (prob >> 5));
/* One bit of a tree. Which it is cannot be foreseen, so no branch depends on it. */
#define TREE_BIT(tree, symbol) \
  { \
    NORMALIZE; \
    u16 *p_ = (tree) + (symbol); \
    prob = *p_; \
    bound = (range >> 11) * prob; \
    u32 zero = 0u - (u32)(code < bound); \
    range -= bound; \
    range ^= (range ^ bound) & zero; \
    code -= bound & ~zero; \
    *p_ = (u16)(prob - (u32)((int)(prob + (zero & (u32)(31 - 2048))) >> 5)); \
    symbol = (symbol << 1) + 1 + zero; \
  }

/* One chunk: `packed` bytes of input that unpack to `count`. 0: done, 1: damaged, 2: no memory. */
EXPORT("chunk") int chunk(u32 packed, u32 count) {
  if (!make_room(count)) return 2;
  if (packed < 5 || input[0] != 0) return 1;
  const u8 *in = input + 5;
  const u8 *const in_end = input + packed;
  u32 range = 0xFFFFFFFFu;
  u32 code = (u32)input[1] << 24 | (u32)input[2] << 16 | (u32)input[3] << 8 | input[4];
  u32 prob, bound;
  u8 *out = window + used;
  u8 *const end = out + count;
  u8 *const begun = window;
  u32 st = state, r0 = rep0, r1 = rep1, r2 = rep2, r3 = rep3;
  const u32 pbm = pb_mask, lpm = lp_mask, lcb = lc;
  last = used;
  while (out < end) {
    if (in > in_end) return 1;
    u32 position = (u32)(out - begun);
    u32 pos_state = position & pbm;
    u16 *p = probs + IS_MATCH + st * POS_STATES + pos_state;
    IF_0(p) {
      WAS_0(p);
      u32 before = out > begun ? out[-1] : 0;
      u16 *tree = probs + LITERAL + 0x300u * (((position & lpm) << lcb) + (before >> (8 - lcb)));
      u32 symbol = 1;
      if (st < 7) {
        TREE_BIT(tree, symbol) TREE_BIT(tree, symbol) TREE_BIT(tree, symbol) TREE_BIT(tree, symbol)
        TREE_BIT(tree, symbol) TREE_BIT(tree, symbol) TREE_BIT(tree, symbol) TREE_BIT(tree, symbol)
        st = st < 4 ? 0 : st - 3;
      } else {
        if (r0 >= position) return 1;
        u32 match = *(out - r0 - 1);
        u32 offset = 0x100;
        for (u32 k = 0; k < 8; k++) {
          match <<= 1;
          u32 wanted = match & offset;
          u16 *leaf = tree + offset + wanted;
          u32 was = symbol;
          TREE_BIT(leaf, symbol);
          offset &= (symbol - 2 * was) ? match : ~match;
        }
        st = st < 10 ? st - 3 : st - 6;
      }
      *out++ = (u8)symbol;
      continue;
    }
    WAS_1(p);
    u32 length;
    u16 *len;
    p = probs + IS_REP + st;
    IF_0(p) {
      WAS_0(p);
      r3 = r2;
      r2 = r1;
      r1 = r0;
      len = probs + MATCH_LEN;
      st = st < 7 ? 7 : 10;
    } else {
      WAS_1(p);
      if (r0 >= position) return 1;
      p = probs + IS_REP0 + st;
      IF_0(p) {
        WAS_0(p);
        p = probs + IS_REP0_LONG + st * POS_STATES + pos_state;
        IF_0(p) {
          WAS_0(p);
          *out = *(out - r0 - 1);
          out++;
          st = st < 7 ? 9 : 11;
          continue;
        }
        WAS_1(p);
      } else {
        WAS_1(p);
        u32 distance;
        p = probs + IS_REP1 + st;
        IF_0(p) {
          WAS_0(p);
          distance = r1;
        } else {
          WAS_1(p);
          p = probs + IS_REP2 + st;
          IF_0(p) {
            WAS_0(p);
            distance = r2;
          } else {
            WAS_1(p);
            distance = r3;
            r3 = r2;
          }
          r2 = r1;
        }
        r1 = r0;
        r0 = distance;
      }
      len = probs + REP_LEN;
      st = st < 7 ? 8 : 11;
      goto a_length;
    }
    /* A new match: its length, then its distance. */
  a_length: {
    u32 symbol = 1;
    IF_0(len) {
      WAS_0(len);
      u16 *tree = len + 2 + pos_state * 8;
      TREE_BIT(tree, symbol) TREE_BIT(tree, symbol) TREE_BIT(tree, symbol);
      length = symbol - 8 + 2;
    } else {
      WAS_1(len);
      IF_0(len + 1) {
        WAS_0(len + 1);
        u16 *tree = len + 2 + POS_STATES * 8 + pos_state * 8;
        TREE_BIT(tree, symbol) TREE_BIT(tree, symbol) TREE_BIT(tree, symbol);
        length = symbol - 8 + 10;
      } else {
        WAS_1(len + 1);
        u16 *tree = len + 2 + 2 * POS_STATES * 8;
        for (u32 k = 0; k < 8; k++) TREE_BIT(tree, symbol);
        length = symbol - 256 + 18;
      }
    }
  }
    if (len == probs + MATCH_LEN) {
      u32 slot = 1;
      u16 *tree = probs + DIST_SLOT + (length < 6 ? length - 2 : 3) * 64;
      TREE_BIT(tree, slot) TREE_BIT(tree, slot) TREE_BIT(tree, slot)
      TREE_BIT(tree, slot) TREE_BIT(tree, slot) TREE_BIT(tree, slot)
      slot -= 64;
      if (slot < 4)
        r0 = slot;
      else {
        u32 bits = (slot >> 1) - 1;
        r0 = 2 | (slot & 1);
        if (slot < 14) {
          r0 <<= bits;
          u16 *special = probs + DIST_SPECIAL + r0 - slot;
          u32 symbol = 1;
          u32 bit = 1;
          do {
            u32 was = symbol;
            TREE_BIT(special, symbol);
            r0 += bit & (0u - (symbol - 2 * was));
            bit <<= 1;
          } while (--bits);
        } else {
          bits -= 4;
          do {
            NORMALIZE;
            range >>= 1;
            code -= range;
            u32 zero = 0u - (code >> 31);
            code += range & zero;
            r0 = (r0 << 1) + 1 + zero;
          } while (--bits);
          r0 <<= 4;
          u16 *align = probs + DIST_ALIGN;
          u32 symbol = 1;
          for (u32 bit = 1; bit < 16; bit <<= 1) {
            u32 was = symbol;
            TREE_BIT(align, symbol);
            r0 += bit & (0u - (symbol - 2 * was));
          }
        }
      }
    }
    /* Every distance leads to a byte that is there, and to none that the dictionary has lost. */
    if (r0 >= position || r0 >= dictionary || length > (u32)(end - out)) return 1;
    const u8 *from = out - r0 - 1;
    u8 *const to = out + length;
    if (r0 >= 7) {
      /* Up to seven bytes too many, which the next symbols overwrite; the window has room for them. */
      do {
        u64 eight;
        __builtin_memcpy(&eight, from, 8);
        __builtin_memcpy(out, &eight, 8);
        from += 8;
        out += 8;
      } while (out < to);
      out = to;
    } else
      do *out++ = *from++;
      while (out < to);
  }
  NORMALIZE;
  if (in != in_end || code != 0) return 1;
  state = st;
  rep0 = r0;
  rep1 = r1;
  rep2 = r2;
  rep3 = r3;
  used += count;
  return 0;
}

/* CRC-64 (ECMA-182) of the last chunk's bytes, going on from what was. */
EXPORT("crc64") u64 crc64(u64 crc, u32 count) {
  const u8 *at = window + last;
  const u8 *const end = at + count;
  crc = ~crc;
  for (; end - at >= 8; at += 8) {
    u64 word;
    __builtin_memcpy(&word, at, 8);
    crc ^= word;
    crc = table[7][crc & 255] ^ table[6][crc >> 8 & 255] ^ table[5][crc >> 16 & 255] ^ table[4][crc >> 24 & 255] ^ table[3][crc >> 32 & 255] ^
          table[2][crc >> 40 & 255] ^ table[1][crc >> 48 & 255] ^ table[0][crc >> 56];
  }
  for (; at < end; at++) crc = crc >> 8 ^ table[0][(crc ^ *at) & 255];
  return ~crc;
}
