// Opens the WebSocket of the page's own server, and shows what it says.
const socket = new WebSocket(location.origin.replace(/^http/, 'ws') + '/socket');
const said = document.getElementById('said');
socket.onopen = () => socket.send('hello');
socket.onmessage = (event) => { said.textContent += `[${event.data}]`; };
socket.onclose = () => { said.textContent += '[closed]'; };
