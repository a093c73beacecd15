/** The library's door: what other programs may import. */
export { Failure, Failures } from "./kit/error.ts";
export { type Digest, digestOf, isDigest, parseDigest } from "./oci/digest.ts";
export { formatReference, parseReference, type Reference } from "./oci/reference.ts";
export { createTask, type Task, type TaskEvent } from "./task/task.ts";
