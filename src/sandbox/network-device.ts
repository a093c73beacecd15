import { AF, IFF_UP_RUNNING, SIOCSIFFLAGS, SOCK } from "./flags.ts";
import type { Inside } from "./inside.ts";

/** Brings up `lo` in the network namespace of the process. netdevice(7): struct ifreq is the name in 16 bytes, then flags. */
export function loopbackUp({ table }: Pick<Inside, "table">): void {
  const socket = table.register();
  const request = Buffer.alloc(40);
  request.write("lo");
  request.writeUInt16LE(IFF_UP_RUNNING, 16);
  table.call("socket", [AF.INET, SOCK.DGRAM | SOCK.CLOEXEC, 0], { into: socket });
  table.call("ioctl", [socket, SIOCSIFFLAGS, table.bytes(request)], { label: "bring up the loopback device" });
  table.call("close", [socket]);
}
