/** A range of lines in a text file that came from a person, for messages. Lines count from 1. */
export interface SourceSpan {
  readonly file: string;
  readonly line: number;
  readonly endLine: number;
  readonly column?: number;
}
