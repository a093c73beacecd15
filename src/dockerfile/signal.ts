const NAMES = new Set(
  (
    "ABRT ALRM BUS CHLD CLD CONT FPE HUP ILL INT IO IOT KILL PIPE POLL PROF PWR QUIT SEGV STKFLT STOP SYS TERM TRAP TSTP TTIN TTOU " +
    "URG USR1 USR2 VTALRM WINCH XCPU XFSZ RTMIN RTMAX"
  ).split(" "),
);

/** What is wrong with the value of STOPSIGNAL, or undefined: a Linux signal's number or its name with or without SIG. */
export function signalProblem(value: string): string | undefined {
  const name = value.toUpperCase().replace(/^SIG/, "");
  const real = /^RT(?:MIN\+|MAX-)(\d{1,2})$/.exec(name);
  const number = /^\d+$/.test(value) ? Number(value) : undefined;
  const known = number === undefined ? NAMES.has(name) || (real !== null && Number(real[1]) <= 15) : number >= 1 && number <= 64;
  return known ? undefined : `invalid signal: ${value} (a name like SIGTERM, or a number from 1 to 64)`;
}
