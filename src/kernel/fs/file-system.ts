/** The Process's own file system: the pushed tree read-only, scratch in memory. */
export class FileSystem {}
