package main

// switches is the source that is added to a package with mutants: each function does what stood there, unless its mutant is alive.
// Other packages' names are not taken for granted: all of it begins with "mut".
const switches = `
import (
	mutCmp "cmp"
	mutOS "os"
	mutStrconv "strconv"
	mutSync "sync"
)

var mutAlive, _ = mutStrconv.Atoi(mutOS.Getenv("` + aliveVariable + `"))

// mutReached writes the number of each mutant that is come by, once.
var mutReached = func() func(int) {
	name := mutOS.Getenv("` + reachVariable + `")
	if name == "" {
		return func(int) {}
	}
	f, err := mutOS.Create(name)
	if err != nil {
		panic(err)
	}
	var lock mutSync.Mutex
	seen := map[int]bool{}
	return func(id int) {
		lock.Lock()
		defer lock.Unlock()
		if seen[id] {
			return
		}
		seen[id] = true
		if _, err := f.WriteString(mutStrconv.Itoa(id) + "\n"); err != nil {
			panic(err)
		}
	}
}()

func mutIs(id int) bool {
	mutReached(id)
	return id == mutAlive
}

func mutNot(id int, v bool) bool    { return v != mutIs(id) }
func mutNever(id int, v bool) bool  { return v && !mutIs(id) } // come by where it would change something
func mutAlways(id int, v bool) bool { return v || mutIs(id) }

func mutAnd(id int, a bool, b func() bool) bool {
	if mutIs(id) {
		return a || b()
	}
	return a && b()
}

func mutOr(id int, a bool, b func() bool) bool {
	if mutIs(id) {
		return a && b()
	}
	return a || b()
}

func mutLess[T mutCmp.Ordered](id int, a, b T) bool    { return a < b || mutIs(id) && a == b }
func mutAtMost[T mutCmp.Ordered](id int, a, b T) bool  { return a < b || !mutIs(id) && a == b }
func mutMore[T mutCmp.Ordered](id int, a, b T) bool    { return a > b || mutIs(id) && a == b }
func mutAtLeast[T mutCmp.Ordered](id int, a, b T) bool { return a > b || !mutIs(id) && a == b }

func mutOther[T any](id int, other, v T) T {
	if mutIs(id) {
		return other
	}
	return v
}

func mutNone[T any](id int, v []T) []T {
	if mutIs(id) {
		return nil
	}
	return v
}

func mutWithout[T any](id, i int, v []T) []T {
	if mutIs(id) {
		return append(append([]T(nil), v[:i]...), v[i+1:]...)
	}
	return v
}
`
