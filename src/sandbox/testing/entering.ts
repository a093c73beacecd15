/** Goes into a user namespace as nought does, and says how it went. */
import { idMap, ownPrivileges } from "../privileges.ts";
import { enterUserNamespace } from "../userns.ts";

const before = process.env["NOUGHT_TEST_PID"];
process.env["NOUGHT_TEST_PID"] ??= `${process.pid}`;
enterUserNamespace();
const { mayMount, single, initial } = ownPrivileges();
const marks = Object.keys(process.env).filter((name) => name.startsWith("NOUGHT_USERNS"));
console.log(
  JSON.stringify({
    mayMount,
    single,
    initial,
    same: before === `${process.pid}`,
    args: process.argv.slice(2),
    marks,
    ids: idMap("uid_map").length,
  }),
);
