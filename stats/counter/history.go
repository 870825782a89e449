package counter

import (
	"strconv"
	"time"
)

// Minute is how far back a History looks.
const Minute = time.Minute

// Bars is how many pieces a History cuts its minute into.
const Bars = 8

// History keeps what was counted in the last minute, so that rates can be told. The zero value is empty.
type History struct {
	rows map[string][]point
}

type point struct {
	at     time.Time
	opened uint64
}

// Key tells rows apart from one report to the next.
func (r Row) Key() string {
	return r.Namespace + "/" + r.Pod + " " + r.Cluster + " " + r.Host + ":" + strconv.Itoa(r.Port)
}

// Add takes in a report. Rows that are no longer there are forgotten.
func (h *History) Add(r Report) {
	rows := make(map[string][]point, len(r.Rows))
	for _, row := range r.Rows {
		key := row.Key()
		points := h.rows[key]
		for len(points) > 1 && r.Taken.Sub(points[1].at) >= Minute {
			points = points[1:]
		}
		if row.Counts.Opened.Known() {
			points = append(points, point{r.Taken, row.Counts.Opened.Value})
		}
		rows[key] = points
	}
	h.rows = rows
}

// grown is what was opened between two points. A count that fell was begun anew, because the pod or the hosts changed.
func grown(from, to point) uint64 {
	if to.opened < from.opened {
		return to.opened
	}
	return to.opened - from.opened
}

// Rate is how many connections a second were opened since the report before the last; false after one report only.
func (h *History) Rate(r Row) (float64, bool) {
	points := h.rows[r.Key()]
	if len(points) < 2 {
		return 0, false
	}
	from, to := points[len(points)-2], points[len(points)-1]
	seconds := to.at.Sub(from.at).Seconds()
	if seconds <= 0 {
		return 0, false
	}
	return float64(grown(from, to)) / seconds, true
}

// LastMinute is how many connections were opened in each eighth of the last minute, the newest last.
func (h *History) LastMinute(r Row) [Bars]uint64 {
	var bars [Bars]uint64
	points := h.rows[r.Key()]
	for i := 1; i < len(points); i++ {
		age := points[len(points)-1].at.Sub(points[i].at)
		if bar := Bars - 1 - int(age*Bars/Minute); bar >= 0 {
			bars[bar] += grown(points[i-1], points[i])
		}
	}
	return bars
}

// Sparkline draws bars as high as their share of the highest, in one line. plain uses letters that every terminal has.
func Sparkline(bars [Bars]uint64, plain bool) string {
	levels := []rune("▁▂▃▄▅▆▇█")
	if plain {
		levels = []rune("_.-:=+*#")
	}
	var highest uint64
	for _, b := range bars {
		highest = max(highest, b)
	}
	out := make([]rune, 0, Bars)
	for _, b := range bars {
		level := 0
		if b > 0 {
			level = 1 + int(float64(b)/float64(highest)*float64(len(levels)-2)+0.5)
		}
		out = append(out, levels[min(level, len(levels)-1)])
	}
	return string(out)
}
