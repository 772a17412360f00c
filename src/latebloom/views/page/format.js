// Numbers as people read them.

const NARROW = "\u202f";
const RAISED = { "-": "⁻", 0: "⁰", 1: "¹", 2: "²", 3: "³", 4: "⁴", 5: "⁵", 6: "⁶", 7: "⁷", 8: "⁸", 9: "⁹" };

export function count(n) {
  return String(Math.round(n)).replace(/\B(?=(\d{3})+(?!\d))/g, NARROW);
}

export function power(exponent) {
  return "10" + [...String(exponent)].map((c) => RAISED[c]).join("");
}

// Three or four digits, and powers of ten where the point would be far away.
export function value(x) {
  if (x === null || x === undefined || Number.isNaN(x)) return "–";
  if (x === 0) return "0";
  const size = Math.abs(x);
  const sign = x < 0 ? "−" : "";
  if (size >= 1e6 || size < 1e-3) {
    const [digits, exponent] = size.toExponential(1).split("e");
    return `${sign}${digits}·${power(Number(exponent))}`;
  }
  if (size >= 1000) return sign + count(size);
  return sign + (size >= 100 ? size.toFixed(1) : size >= 1 ? size.toFixed(2) : size.toFixed(4));
}

// A tick on an even axis; `gap` is the distance to the next one.
export function tick(x, gap) {
  const digits = Math.max(0, Math.min(8, -Math.floor(Math.log10(gap) + 1e-9)));
  if (Math.abs(x) >= 1000) return (x < 0 ? "−" : "") + count(Math.abs(x));
  return x.toFixed(digits).replace("-", "−");
}
