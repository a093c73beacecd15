/** Signals that a program in the foreground gets instead of nought, as docker's --sig-proxy has it. */
const HANDED_ON = ["SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGCONT", "SIGTSTP"] as const;

/** So many requests to end, and the program is not asked any more. */
const PATIENCE = 3;

/** The way of signals while a program runs in the foreground. */
export interface SignalProxy extends Disposable {
  /** Aborts when somebody insists. */
  readonly signal: AbortSignal;
  /** From now on they go there; those that came before are handed on now. */
  connect(send: (name: NodeJS.Signals) => void): void;
}

/**
 * Takes the signals of this process over from whoever listens to them, and hands them on. The third request to end is for us: the task's
 * signal aborts. Without `proxy` they keep their meaning for nought.
 */
export function proxySignals(proxy: boolean, outer: AbortSignal): SignalProxy {
  if (!proxy) return { signal: outer, connect() {}, [Symbol.dispose]() {} };
  const abort = new AbortController();
  const waiting: NodeJS.Signals[] = [];
  let send: ((name: NodeJS.Signals) => void) | undefined;
  let requests = 0;
  const taken = HANDED_ON.map((name) => {
    const before = process.listeners(name);
    const own = () => {
      if ((name === "SIGINT" || name === "SIGTERM") && ++requests >= PATIENCE)
        abort.abort(new Error(`got ${PATIENCE} SIGTERM/SIGINTs, forcefully exiting`));
      else if (send) send(name);
      else waiting.push(name);
    };
    process.removeAllListeners(name);
    process.on(name, own);
    return { name, before, own };
  });
  return {
    signal: abort.signal,
    connect(to) {
      send = to;
      for (const name of waiting.splice(0)) to(name);
    },
    [Symbol.dispose]() {
      for (const { name, before, own } of taken) {
        process.off(name, own);
        for (const one of before) process.on(name, one as () => void);
      }
    },
  };
}
