/**
 * `node unpacking.ts STORE FILES`: unpacks a layer of that many files, for tests that have company or a sudden end. Says `begun` and
 * `done`.
 */
import { digestOf } from "../../oci/digest.ts";
import { createTask } from "../../task/task.ts";
import { prepareLowers } from "../lowers.ts";
import { ownHow } from "../open.ts";
import { manyFiles } from "./many-files.ts";

const [store = "", count = ""] = process.argv.slice(2);
process.stdout.write("begun\n");
const layer = { diffId: digestOf(count), draft: manyFiles(Number(count)) };
const { directories } = await prepareLowers(store, [layer], async () => -1, ownHow(), createTask());
process.stdout.write(`done ${directories.join(" ")}\n`);
if (process.env["NOUGHT_TEST_STAY"]) setInterval(() => {}, 1000);
