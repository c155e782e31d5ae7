/**
 * Lets `limit` jobs run at a time; the others wait in order. Deliberately unbounded: the platform
 * sends an instance no more than it may run, and refuses the rest before they come here.
 */
export class Turns {
  /** @param {number} limit */
  constructor(limit) {
    this.limit = limit;
    this.taken = 0;
    /** @type {Job[]} */
    this.waiting = [];
  }

  /**
   * Starts the job now or when a turn is free.
   *
   * @param {Job} job
   */
  take(job) {
    if (this.taken < this.limit) {
      this.taken += 1;
      job.start();
    } else {
      this.waiting.push(job);
    }
  }

  /** Gives a turn back. Jobs whose client has left meanwhile are skipped. */
  release() {
    this.taken -= 1;
    while (this.taken < this.limit) {
      const job = this.waiting.shift();
      if (job === undefined) return;
      if (job.abandoned()) continue;
      this.taken += 1;
      job.start();
    }
  }
}

/**
 * @typedef {object} Job
 * @property {() => void} start
 * @property {() => boolean} abandoned
 */
