// From values to places, and the ticks between.

import { count, power, tick } from "./format.js";

function niceGap(span, wanted) {
  const rough = span / Math.max(wanted, 1);
  const size = 10 ** Math.floor(Math.log10(rough));
  return size * ([1, 2, 5].find((n) => n * size >= rough) ?? 10);
}

// `tight` ends at the values themselves, not at the next ticks.
export function evenScale(low, high, from, to, wanted = 5, tight = false) {
  const pad = high > low ? 0 : Math.abs(low) * 0.1 || 1;
  const gap = niceGap(high - low + 2 * pad, wanted);
  const bottom = Math.floor((low - pad) / gap + 1e-9) * gap;
  const top = Math.ceil((high + pad) / gap - 1e-9) * gap;
  const ticks = [];
  for (let i = Math.round(bottom / gap); i <= Math.round(top / gap); i++) ticks.push([i * gap, tick(i * gap, gap)]);
  const [first, last] = tight ? [low, high] : [bottom, top];
  const at = (v) => from + ((v - first) / (last - first)) * (to - from);
  return { at, ticks: ticks.filter(([v]) => v >= first - gap / 1e6 && v <= last + gap / 1e6) };
}

export function shareScale(from, to) {
  const ticks = [0, 0.25, 0.5, 0.75, 1].map((v) => [v, String(v)]);
  // A little air, so that lines at 0 and at 1 are seen whole.
  return { at: (v) => from + ((v + 0.03) / 1.06) * (to - from), ticks };
}

export function powerScale(low, high, from, to, wanted = 6) {
  const bottom = Math.log10(low) - 0.1;
  const top = Math.log10(high) + 0.1;
  const gap = Math.max(1, Math.ceil((top - bottom) / wanted));
  const ticks = [];
  for (let e = Math.ceil(bottom / gap) * gap; e <= top; e += gap) ticks.push([10 ** e, power(e)]);
  const at = (v) => from + ((Math.log10(v) - bottom) / (top - bottom)) * (to - from);
  return { at, ticks: ticks.length > 2 ? ticks : shortTicks(10 ** bottom, 10 ** top, wanted) };
}

// Over less than two decades or so: their ones, twos and fives, or even steps where those too are few.
function shortTicks(low, high, wanted) {
  const first = Math.floor(Math.log10(low));
  const some = [0, 1, 2].flatMap((e) => [1, 2, 5].map((n) => Number(`${n}e${first + e}`))).filter((v) => v >= low && v <= high);
  const ticks = some.length > 2 ? some : evenScale(low, high, 0, 1, wanted, true).ticks.map(([v]) => v);
  return ticks.map((v) => [v, plain(v)]);
}

function plain(v) {
  if (v >= 1e-3 && v < 1e6) return v >= 1000 ? count(v) : String(Number(v.toPrecision(3)));
  const [digits, exponent] = Number(v.toPrecision(3)).toExponential().split("e");
  return `${digits}·${power(Number(exponent))}`;
}

// Ticks of the step axis: powers of ten before their doubles, as many as there is room for.
export function stepTicks(time, left, right) {
  const x = (step) => left + time.share(step) * (right - left);
  const wished = [0];
  if (time.axis === "log") {
    for (const n of [1, 5, 2]) for (let p = 1; p * n <= time.last; p *= 10) wished.push(p * n);
  } else if (time.last > 0) {
    const gap = Math.max(1, niceGap(time.last, (right - left) / 90));
    for (let step = gap; step <= time.last; step += gap) wished.push(step);
  }
  const kept = [];
  for (const step of wished) {
    const label = count(step);
    const room = 14 + 7 * label.length;
    if (kept.every((other) => Math.abs(other.x - x(step)) > (room + other.room) / 2)) {
      kept.push({ step, label, x: x(step), room });
    }
  }
  return kept;
}
