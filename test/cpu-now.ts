/** Milliseconds of processor time that this process has used: for tests of speed that must hold on a busy machine too. */
export function cpuNow(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
