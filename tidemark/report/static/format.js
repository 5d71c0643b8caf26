"use strict";
/* Numbers, times and elements, as every part of the page writes them. */
const Format = (() => {
  const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
  const prefixes = (base, names) => (value) => {
    let size = Math.abs(value), i = 0;
    while (size >= base && i < names.length - 1) { size /= base; i++; }
    const digits = size >= 100 || (i === 0 && Number.isInteger(size)) ? 0 : size >= 10 ? 1 : 2;
    return `${(Math.sign(value) * size).toFixed(digits)}${names[i]}`;
  };
  const bytes = prefixes(1000, [" B", " kB", " MB", " GB", " TB", " PB"]);
  const si = prefixes(1000, ["", " k", " M", " G", " T"]);
  const value = (number, unit) => {
    if (number == null || Number.isNaN(number)) return "no value";
    const rate = unit.endsWith("/s") ? "/s" : "";
    const base = rate ? unit.slice(0, -2) : unit;
    if (base === "B") return bytes(number) + rate;
    if (base === "%") return `${number.toFixed(1)} %`;
    return si(number) + (base ? ` ${base}` : "") + rate;
  };
  const time = (ms, seconds) => new Date(ms).toISOString().slice(11, seconds ? 19 : 16);
  const instant = (ms, seconds) => `${new Date(ms).toISOString().slice(0, 10)} ${time(ms, seconds)} UTC`;
  const element = (name, attributes = {}, ...children) => {
    const made = document.createElement(name);
    for (const [key, given] of Object.entries(attributes)) {
      if (key === "style") for (const [property, set] of Object.entries(given)) made.style.setProperty(property, set);
      else if (key.startsWith("on")) made.addEventListener(key.slice(2), given);
      else made.setAttribute(key, given);
    }
    made.append(...children);
    return made;
  };
  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  const utc = (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC");
  const axisFont = "12px system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif";
  const axis = (more) => ({
    stroke: color("muted"), font: axisFont, grid: { stroke: color("grid"), width: 1 },
    ticks: { stroke: color("grid"), width: 1, size: 4 }, ...more,
  });
  return { whole: (n) => whole.format(n), value, time, instant, element, color, utc, axis };
})();
