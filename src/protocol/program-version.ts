/** Version of this program, as package.json has it; a test compares them. */
export const programVersion = '0.1.0';
