"""How good a file is, before it is sent: counted by column and record, scored in seven words, held to criteria."""
