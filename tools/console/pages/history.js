// The points of the charts: one array for the times and one for each line, as uPlot takes them.

const KEPT_SECONDS = 30 * 60;
// Between points that are further apart nobody looked: the lines are interrupted there.
const GAP_SECONDS = 10;

export class History {
  constructor() {
    this.columns = [];
    this.times = [];
    this.values = new Map();
  }

  get last() {
    return this.times.at(-1) ?? 0;
  }

  add(columns, rows) {
    if (columns.join() !== this.columns.join()) {
      this.columns = columns;
      this.times = [];
      this.values = new Map(columns.map((name) => [name, []]));
    }
    for (const [time, ...values] of rows) {
      if (time <= this.last) continue;
      if (this.times.length && time - this.last > GAP_SECONDS)
        this.push(
          this.last + 1,
          values.map(() => null),
        );
      this.push(time, values);
    }
    const old = this.times.findIndex((time) => time > this.last - KEPT_SECONDS);
    if (old > 0) {
      this.times.splice(0, old);
      for (const values of this.values.values()) values.splice(0, old);
    }
  }

  push(time, values) {
    this.times.push(time);
    this.columns.forEach((name, index) => this.values.get(name).push(values[index]));
  }

  line(name) {
    return this.values.get(name) ?? this.times.map(() => null);
  }

  // The last point that is not older than a few samples.
  latest(name) {
    return this.values.get(name)?.at(-1) ?? null;
  }

  hasValues(names) {
    return names.some((name) => this.values.get(name)?.some((value) => value !== null));
  }
}
