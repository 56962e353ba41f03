// Deterministic answers: token i is always the same text, so a splice of two streams can be checked
// character by character. Knows nothing of HTTP or of any dialect.

const WORDS = ["river", "stone", "lamp", "copper", "meadow", "signal", "harbour", "needle", "violet", "engine"];

// Some tokens carry two-, three- and four-byte characters, so that a write may split inside one.
function decoration(index) {
  if (index % 13 === 12) return "🎈";
  if (index % 11 === 10) return "東京";
  if (index % 7 === 6) return "é";
  return "";
}

/** Text of token `index` (from 0). Every token of one seed differs from every other; only token 0 has no leading space. */
export function token(index, seed = 0) {
  const word = WORDS[(index + seed) % WORDS.length];
  const mark = seed === 0 ? "" : `s${seed}.`;
  return `${index === 0 ? "" : " "}${word}${decoration(index)}${mark}${index}`;
}

/** The first `count` tokens as a list. */
export function tokens(count, seed = 0) {
  return Array.from({ length: count }, (_, index) => token(index, seed));
}

/** The whole answer of `count` tokens. */
export function answerText(count, seed = 0) {
  return tokens(count, seed).join("");
}

/** Splits a given text so that joining the parts gives it back: words with their leading white space. */
export function splitText(text) {
  return text.match(/\s*\S+|\s+$/g) ?? [];
}

/** What remains of `parts` after `prefix`, or null when the answer does not start with it. A part may be cut inside. */
export function remainderAfter(parts, prefix) {
  let left = prefix;
  for (let index = 0; index < parts.length; index += 1) {
    if (left === "") return parts.slice(index);
    const part = parts[index];
    if (left.startsWith(part)) left = left.slice(part.length);
    else if (part.startsWith(left)) return [part.slice(left.length), ...parts.slice(index + 1)];
    else return null;
  }
  return left === "" ? [] : null;
}
