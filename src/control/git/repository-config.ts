/** Configuration of git in the repositories of the platform. */
import { pushLimits } from '../../protocol/limits.ts';

/** Name of the file, beside the repositories, with what all of them include. */
export const sharedConfig = '.config';
/** Configuration of each repository itself. */
export const repositoryConfigText = `[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = true\n[include]\n\tpath = ../${sharedConfig}\n`;

/** Messages of git-fsck(1) about the text of commits and tags, and about how a mode is written. */
const harmlessFindings = [
  'badDate',
  'badDateOverflow',
  'badEmail',
  'badName',
  'badTimezone',
  'missingEmail',
  'missingNameBeforeEmail',
  'missingSpaceBeforeDate',
  'missingSpaceBeforeEmail',
  'multipleAuthors',
  'nulInCommit',
  'zeroPaddedDate',
  'zeroPaddedFilemode',
] as const;

/** Returns the configuration of all repositories. `hooksFolder`: folder of the hook that git runs. */
export function sharedConfigText(hooksFolder: string): string {
  const hooks = hooksFolder.replaceAll('\\', '\\\\').replaceAll('"', '\\"');
  return `# Written at every start; changes are lost.
[core]
	hooksPath = "${hooks}"
	logAllRefUpdates = false
	# An accepted push survives a power cut, as the Deployment made from it does.
	fsync = committed,reference
	fsyncMethod = batch
	# What is larger than any module is never held in memory whole.
	bigFileThreshold = ${pushLimits.moduleBytes}
[pack]
	# Each thread holds an object and its base.
	threads = 1
	windowMemory = ${pushLimits.moduleBytes}
[receive]
	fsckObjects = true
	maxInputSize = ${pushLimits.packBytes}
	advertisePushOptions = false
	# Deployments are pinned there by control; clients fetch them, but never push them.
	hideRefs = refs/deployments
	denyDeletes = false
	denyNonFastForwards = false
	denyDeleteCurrent = ignore
	# A pack is kept as it came: no object is compressed once more. maintain() joins packs.
	unpackLimit = 1
	# git gc --auto after a push would hold the repository while the next push waits.
	autogc = false
	# What CI has is a clone with --depth 1. Its history ends here where it ends there.
	shallowUpdate = true
[receive "fsck"]
	# Of published histories: objects that today's git would not write and that hurt nobody. Everything that
	# could hurt a reader (.git and .. in trees, names twice, .gitmodules that run something) stays refused.
${harmlessFindings.map((finding) => `\t${finding} = warn\n`).join('')}[gc]
	auto = 0
[uploadpack]
	allowFilter = true
	# A clone with --filter asks for the missing objects by name later.
	allowAnySHA1InWant = true
[http]
	receivepack = true
`;
}
