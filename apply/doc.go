// Package apply is the writing side: it plans what has to change on the cluster for a set, asks the API server about
// all of it by dry run, writes it in order, takes it back if that fails, and removes exactly what it wrote.
package apply
