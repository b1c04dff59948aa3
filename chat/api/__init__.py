"""The REST door: what a program made for LlamaCloud's Index V2 calls, and a little of our own."""
