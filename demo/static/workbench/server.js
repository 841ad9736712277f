// What the page asks of the server: one act after the other, in the order in which they were asked for. None is dropped
// because another is under way.

const NO_ANSWER_MS = 120000;   // after this the page gives up on an act: none takes as long
const PROGRESS_MS = 250;       // what is answered sooner needs no bar, which would flicker

export class Server {
  /**
   * `trigger` sends an event. `busy(is)` is told whether anything is under way, `working(text)` what, once it takes
   * long, and null when it is done; `failed(text)` what went wrong on the way.
   */
  constructor(trigger, { busy, working, failed }) {
    Object.assign(this, { trigger, busy, working, failed });
    this.waiting = [];
    this.act = null;          // under way
    this.number = 0;          // of the last act that was sent; answers name the last one that they know
    this.timer = this.watchdog = 0;
  }

  /**
   * Asks for an act. `data` makes what is sent when its turn comes, or null if it is pointless by then; it may take its
   * time. Of the rest of the act, `doing` is shown if it takes long, `failed` is called if it fails or is pointless.
   */
  send(event, data, act = {}) {
    this.waiting.push({ event, data, ...act });
    this.next();
  }

  async next() {
    if (this.act || !this.waiting.length) return;
    const act = this.act = this.waiting.shift();
    this.busy(true);
    this.timer = setTimeout(() => this.working(act.doing ?? ""), PROGRESS_MS);
    let data = null;
    try {
      data = await act.data();
      if (data === null) act.failed?.();
    } catch (error) {
      act.failed?.();
      this.failed(error.message || String(error));
    }
    if (data === null) { this.done(); return; }
    act.number = ++this.number;
    this.watchdog = setTimeout(() => {
      act.failed?.();
      this.done();
      this.failed("no answer from the server; try again, or load the page again");
    }, NO_ANSWER_MS);
    this.trigger(act.event, { ...data, act: act.number });
  }

  /** The act that an answer is of, null if it is none of this page's acts, such as an example that was opened. */
  actOf(answer) {
    const answers = !("act" in answer) || answer.act >= this.act?.number;   // without one, not even a session could be had
    return this.act?.number && answers ? this.act : null;
  }

  /** The act under way has been answered, and its answer shown. */
  done() {
    clearTimeout(this.timer);
    clearTimeout(this.watchdog);
    this.act = null;
    if (!this.waiting.length) { this.working(null); this.busy(false); }
    this.next();
  }
}
