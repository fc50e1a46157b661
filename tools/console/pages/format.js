// Numbers, durations, times and amounts as texts. What is not known is a dash.

export const NOTHING = "–";

const whole = new Intl.NumberFormat("en-GB", { maximumFractionDigits: 0 });
const fine = new Intl.NumberFormat("en-GB", { maximumFractionDigits: 1 });

export function count(value) {
  return value === null || value === undefined ? NOTHING : whole.format(value);
}

export function rate(value) {
  if (value === null || value === undefined) return NOTHING;
  return value > 0 && value < 0.05 ? "<0.1" : (value < 10 ? fine : whole).format(value);
}

export function duration(seconds) {
  if (seconds === null || seconds === undefined) return NOTHING;
  if (seconds < 0.001) return "<1 ms";
  if (seconds < 1) return `${(seconds * 1000).toPrecision(seconds < 0.01 ? 2 : 3).replace(/\.0+$/, "")} ms`;
  if (seconds < 120) return `${fine.format(seconds)} s`;
  return seconds < 7200 ? `${whole.format(seconds / 60)} min` : `${fine.format(seconds / 3600)} h`;
}

export function clock(iso, withMilliseconds = false) {
  const time = new Date(iso);
  if (!iso || Number.isNaN(time.getTime())) return "";
  const options = { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false };
  if (withMilliseconds) options.fractionalSecondDigits = 3;
  return time.toLocaleTimeString("en-GB", options);
}

export function dayAndClock(iso) {
  const time = new Date(iso);
  const isToday = time.toDateString() === new Date().toDateString();
  const day = time.toLocaleDateString("en-GB", { day: "numeric", month: "short" });
  return isToday ? clock(iso) : `${day}, ${clock(iso)}`;
}

export function money(minor, currency) {
  const format = new Intl.NumberFormat("en-GB", { style: "currency", currency });
  return format.format(minor / 10 ** format.resolvedOptions().maximumFractionDigits);
}

export function words(name) {
  return name.replaceAll("_", " ");
}
