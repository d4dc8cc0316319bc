/** What is undone at the end, in the order in which it was done. */
export type Closers = (() => Promise<void> | void)[]
