package apply

// width is how many requests are on their way at once where their order does not matter. More than that gain little: the API server
// lets the requests of one user take turns (API priority and fairness), and its store writes one after the other.
const width = 12

// inParallel does something for every number below n: begun in order, at most width at a time. Before each is begun, more is
// asked, and if it says no, no other is begun; when one has ended, ended is told. Both are called by the caller's own goroutine.
// It returns when all that were begun have ended.
func inParallel(n int, more func(i int) bool, do func(i int), ended func(i int)) {
	finished := make(chan int)
	next, running := 0, 0
	for {
		for next < n && running < width {
			if !more(next) {
				n = next
				break
			}
			i := next
			go func() {
				do(i)
				finished <- i
			}()
			next++
			running++
		}
		if running == 0 {
			return
		}
		i := <-finished
		running--
		ended(i)
	}
}
